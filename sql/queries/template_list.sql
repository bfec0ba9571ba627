-- The newest version of every template, by name. Locks nothing.
select distinct on (template.name)
  template.name, template.version, template.definition::text, template.inserted_at
from baton.workflow_templates as template
order by template.name, template.version desc
