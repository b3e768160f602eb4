/**
 * The queries of materialized views over distributed tables are views in `pgloom_matview`, which every role may create. The two
 * functions let them follow what became of their materialized views: one with the rights of who changed those, the other, which
 * drops what nothing reads any more, with those of the schema's owner.
 */
export const MATERIALIZED_VIEWS_SQL = `
CREATE SCHEMA pgloom_matview;
GRANT USAGE, CREATE ON SCHEMA pgloom_matview TO PUBLIC;

CREATE FUNCTION pgloom.drop_unused_queries() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  query record;
BEGIN
  FOR query IN
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pgloom_matview' AND c.relkind = 'v'
      AND NOT EXISTS (SELECT FROM pg_depend d JOIN pg_rewrite w ON w.oid = d.objid AND w.ev_class <> c.oid
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid)
  LOOP
    EXECUTE format('DROP VIEW pgloom_matview.%I', query.relname);
  END LOOP;
END $$;

CREATE FUNCTION pgloom.tend_materialized_views() RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  change record;
BEGIN
  FOR change IN
    SELECT DISTINCT q.relname AS query, pg_get_userbyid(m.relowner) AS owner
    FROM pg_class q JOIN pg_namespace n ON n.oid = q.relnamespace AND n.nspname = 'pgloom_matview'
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = q.oid
      JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class m ON m.oid = w.ev_class AND m.relkind = 'm'
    WHERE m.relowner <> q.relowner AND pg_has_role(q.relowner, 'USAGE')
  LOOP
    EXECUTE format('ALTER VIEW pgloom_matview.%I OWNER TO %I', change.query, change.owner);
  END LOOP;
  FOR change IN
    SELECT DISTINCT q.relname AS query, o.attname AS old, a.attname AS new
    FROM pg_class q JOIN pg_namespace n ON n.oid = q.relnamespace AND n.nspname = 'pgloom_matview'
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = q.oid
      JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class m ON m.oid = w.ev_class AND m.relkind = 'm'
      JOIN pg_attribute a ON a.attrelid = m.oid AND a.attnum > 0
      JOIN pg_attribute o ON o.attrelid = q.oid AND o.attnum = a.attnum
    WHERE a.attname <> o.attname AND pg_has_role(q.relowner, 'USAGE')
  LOOP
    EXECUTE format('ALTER VIEW pgloom_matview.%I RENAME COLUMN %I TO %I', change.query, change.old, change.new);
  END LOOP;
  PERFORM pgloom.drop_unused_queries();
END $$;
`
