import { CLUSTER_SETTING_DEFAULTS } from '../catalog/cluster-settings.ts'

const DEFAULTS = [...CLUSTER_SETTING_DEFAULTS]
  .map(([name, value]) => `('${name}', '${value}')`)
  .join(', ')

/** current_setting() of settings that no server declares: what the session or ALTER DATABASE has set, else the default. */
export const SETTING_READER_SQL = `
CREATE FUNCTION pgloom.current_setting(setting_name text, missing_ok bool DEFAULT false) RETURNS text
LANGUAGE sql STABLE AS $$
  SELECT coalesce(
    nullif(pg_catalog.current_setting(own.name, true), ''),
    (SELECT d.value FROM (VALUES ${DEFAULTS}) d(name, value) WHERE d.name = own.name),
    pg_catalog.current_setting(own.name, missing_ok))
  FROM (SELECT pg_catalog.regexp_replace(pg_catalog.lower(setting_name), '^pgloom[.]', 'citus.')) own(name)
$$;
`
