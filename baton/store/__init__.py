"""The database. Nothing outside this package imports psycopg."""
