/**
 * The lens over Postgres' catalogs: views in `pgloom_catalog` with the same names, columns and types as the relations they
 * stand for (planner/catalog-lens has the list and splices their names in), without what is ours. The column lists are
 * read from the server at hand, since they differ from version to version. All can be inlined, so that look-ups by oid keep
 * their indexes. pg_attribute has none (a view can't have its column of type anyarray): its rows are met through pg_class.
 */
export const CATALOG_LENS_SQL = `
DROP SCHEMA IF EXISTS pgloom_catalog CASCADE;
CREATE SCHEMA pgloom_catalog;
GRANT USAGE ON SCHEMA pgloom_catalog TO PUBLIC;

-- the view that keeps the query of a materialized view over distributed tables, or the relation itself
CREATE FUNCTION pgloom_catalog.defined_by(relation oid) RETURNS oid LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT q.oid FROM pg_catalog.pg_rewrite w
    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
      AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class q ON q.oid = d.refobjid AND q.oid <> w.ev_class
    JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace AND n.nspname = 'pgloom_matview'
    JOIN pg_catalog.pg_class m ON m.oid = w.ev_class AND m.relkind = 'm'
    WHERE w.ev_class = relation LIMIT 1), relation) $$;
CREATE FUNCTION pgloom_catalog.pg_get_viewdef(oid) RETURNS text LANGUAGE sql STABLE STRICT AS
  'SELECT pg_catalog.pg_get_viewdef(pgloom_catalog.defined_by($1))';
CREATE FUNCTION pgloom_catalog.pg_get_viewdef(oid, boolean) RETURNS text LANGUAGE sql STABLE STRICT AS
  'SELECT pg_catalog.pg_get_viewdef(pgloom_catalog.defined_by($1), $2)';
CREATE FUNCTION pgloom_catalog.pg_get_viewdef(oid, integer) RETURNS text LANGUAGE sql STABLE STRICT AS
  'SELECT pg_catalog.pg_get_viewdef(pgloom_catalog.defined_by($1), $2)';
CREATE FUNCTION pgloom_catalog.pg_get_viewdef(text) RETURNS text LANGUAGE sql STABLE STRICT AS
  'SELECT pg_catalog.pg_get_viewdef(pgloom_catalog.defined_by($1::pg_catalog.regclass))';
CREATE FUNCTION pgloom_catalog.pg_get_viewdef(text, boolean) RETURNS text LANGUAGE sql STABLE STRICT AS
  'SELECT pg_catalog.pg_get_viewdef(pgloom_catalog.defined_by($1::pg_catalog.regclass), $2)';

DO $install$
DECLARE
  lens record;
  columns text;
  types text;
  system text;
  -- what the query of a materialized view depends on, the view does
  depends text := $$ UNION ALL SELECT d.tableoid, d.ctid, d.xmin, d.classid, d.objid, d.objsubid, q.refclassid, q.refobjid, q.refobjsubid, d.deptype
    FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite w ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND w.ev_class = d.refobjid
    JOIN pg_catalog.pg_depend q ON q.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND q.objid = w.oid
    WHERE d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid <> w.oid
      AND d.refobjid IN (SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace h ON h.oid = c.relnamespace
        WHERE h.nspname = 'pgloom_matview')$$;
BEGIN
  FOR lens IN SELECT * FROM (VALUES
    ('pg_catalog', 'pg_depend', '{}'::jsonb, 'true'),
    ('pg_catalog', 'pg_proc', '{}',
      $$NOT EXISTS (SELECT FROM pg_catalog.pg_namespace h WHERE h.oid = r.pronamespace AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_rewrite', '{}',
      $$NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace h ON h.oid = c.relnamespace
        WHERE c.oid = r.ev_class AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_type', '{}',
      $$NOT EXISTS (SELECT FROM pg_catalog.pg_namespace h WHERE h.oid = r.typnamespace AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_namespace', '{}', $$r.nspname !~ '^pgloom(_|$)'$$),
    ('pg_catalog', 'pg_class', jsonb_build_object(
      'relrowsecurity', $$r.relrowsecurity AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy g
        WHERE g.polrelid = r.oid AND g.polname ~ '^pgloom_guard')$$,
      'relforcerowsecurity', $$r.relforcerowsecurity AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy g
        WHERE g.polrelid = r.oid AND g.polname ~ '^pgloom_guard')$$,
      'relhastriggers', $$r.relhastriggers AND (NOT EXISTS (SELECT FROM pg_catalog.pg_trigger g
        WHERE g.tgrelid = r.oid AND g.tgname ~ '^pgloom_guard') OR EXISTS (SELECT FROM pg_catalog.pg_trigger g
        WHERE g.tgrelid = r.oid AND g.tgname !~ '^pgloom_guard'))$$),
      $$NOT EXISTS (SELECT FROM pg_catalog.pg_namespace h WHERE h.oid = r.relnamespace AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_constraint', '{}',
      $$NOT EXISTS (SELECT FROM pg_catalog.pg_namespace h WHERE h.oid = r.connamespace AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_index', '{}',
      $$NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace h ON h.oid = c.relnamespace
        WHERE c.oid = r.indrelid AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_policy', '{}',
      $$r.polname !~ '^pgloom_guard' AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace h
        ON h.oid = c.relnamespace WHERE c.oid = r.polrelid AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_trigger', '{}',
      $$r.tgname !~ '^pgloom_guard' AND NOT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace h
        ON h.oid = c.relnamespace WHERE c.oid = ANY (ARRAY[r.tgrelid, r.tgconstrrelid]) AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_statistic_ext', '{}',
      $$NOT EXISTS (SELECT FROM pg_catalog.pg_namespace h WHERE h.oid = r.stxnamespace AND h.nspname ~ '^pgloom(_|$)')$$),
    ('pg_catalog', 'pg_policies', '{}', $$r.schemaname !~ '^pgloom(_|$)' AND r.policyname !~ '^pgloom_guard'$$),
    ('pg_catalog', 'pg_indexes', '{}', $$r.schemaname !~ '^pgloom(_|$)'$$),
    ('pg_catalog', 'pg_views', '{}', $$r.schemaname !~ '^pgloom(_|$)'$$),
    ('pg_catalog', 'pg_matviews', jsonb_build_object('definition', $$CASE WHEN r.definition ~ 'pgloom_matview' THEN (
        SELECT pgloom_catalog.pg_get_viewdef(c.oid) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace h ON h.oid = c.relnamespace
        WHERE h.nspname = r.schemaname AND c.relname = r.matviewname) ELSE r.definition END$$), $$r.schemaname !~ '^pgloom(_|$)'$$),
    ('pg_catalog', 'pg_sequences', '{}', $$r.schemaname !~ '^pgloom(_|$)'$$),
    ('information_schema', 'tables', '{}', $$r.table_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'columns', '{}', $$r.table_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'table_constraints', '{}', $$r.table_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'key_column_usage', '{}', $$r.table_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'constraint_column_usage', '{}', $$r.constraint_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'referential_constraints', '{}', $$r.constraint_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'check_constraints', '{}', $$r.constraint_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'triggers', '{}',
      $$r.event_object_schema !~ '^pgloom(_|$)' AND r.trigger_name !~ '^pgloom_guard'$$),
    ('information_schema', 'views', '{}', $$r.table_schema !~ '^pgloom(_|$)'$$),
    ('information_schema', 'schemata', '{}', $$r.schema_name !~ '^pgloom(_|$)'$$),
    ('information_schema', 'sequences', '{}', $$r.sequence_schema !~ '^pgloom(_|$)'$$)
  ) AS l (schema_name, name, overrides, condition)
  LOOP
    SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
      INTO types
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = format('%I.%I', lens.schema_name, lens.name)::regclass AND a.attnum > 0
        AND NOT a.attisdropped;
    SELECT string_agg(coalesce(lens.overrides ->> a.attname, 'r.' || quote_ident(a.attname)) || ' AS ' ||
        quote_ident(a.attname), ', ' ORDER BY a.attnum)
      INTO columns
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = format('%I.%I', lens.schema_name, lens.name)::regclass AND a.attnum > 0
        AND NOT a.attisdropped;
    IF lens.name NOT IN ('pg_depend', 'pg_proc', 'pg_rewrite', 'pg_type') THEN
      EXECUTE format('CREATE VIEW pgloom_catalog.%I AS SELECT %s FROM %I.%I AS r WHERE %s',
        lens.name, columns, lens.schema_name, lens.name, lens.condition);
    END IF;
    system := CASE WHEN (SELECT relkind FROM pg_catalog.pg_class
      WHERE oid = format('%I.%I', lens.schema_name, lens.name)::regclass) = 'r' THEN 'r.tableoid, r.ctid, r.xmin, ' ELSE '' END;
    EXECUTE format('CREATE FUNCTION pgloom_catalog.%I() RETURNS TABLE (%s%s) LANGUAGE sql STABLE ROWS 1000 AS $f$SELECT %s%s FROM %I.%I AS r WHERE %s%s$f$',
      lens.name, CASE WHEN system <> '' THEN 'tableoid oid, ctid tid, xmin xid, ' ELSE '' END, types, system, columns,
      lens.schema_name, lens.name, lens.condition, CASE WHEN lens.name = 'pg_depend' THEN depends ELSE '' END);
  END LOOP;
END
$install$;

-- of its own, since the flags of guarded tables are to be those of the lens
CREATE VIEW pgloom_catalog.pg_tables AS
  SELECT n.nspname AS schemaname, c.relname AS tablename, pg_get_userbyid(c.relowner) AS tableowner,
    t.spcname AS tablespace, c.relhasindex AS hasindexes, c.relhasrules AS hasrules,
    c.relhastriggers AS hastriggers, c.relrowsecurity AS rowsecurity
  FROM pgloom_catalog.pg_class c
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
  WHERE c.relkind IN ('r', 'p');

GRANT SELECT ON ALL TABLES IN SCHEMA pgloom_catalog TO PUBLIC;
`
