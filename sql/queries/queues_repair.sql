-- Finds jobs without the partition they ought to have; sql/routines/repair_partitions.sql says more.
select baton.repair_partitions(%(queues)s::text[], %(most)s::integer)
