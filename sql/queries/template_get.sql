-- One version of a template, the newest when none is named. Locks nothing.
select template.name, template.version, template.definition::text, template.inserted_at
from baton.workflow_templates as template
where template.name = %(name)s
  and (%(version)s::integer is null or template.version = %(version)s::integer)
order by template.version desc
limit 1
