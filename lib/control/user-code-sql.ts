/**
 * A JSON object of names, in any schema, about code of the user's that statements run or mean without saying so:
 *
 *     writes, reads   relations whose triggers, defaults, constraints, rules, policies or views run functions that may leave
 *                     something behind in the server session: settings, temporary tables, locks. Reads: a SELECT suffices.
 *     functions       that could be meant instead of Postgres' own of that name, be it for types of the user's; operators likewise,
 *                     but not for such types.
 *     ownOperators    all operators of the user's, for whatever types, but those of extensions.
 *
 * A function is harmless when its text neither does such things, nor may (EXECUTE, other languages), nor calls another of
 * the user's. What it writes to counts as if written by the statement.
 */
export const USER_CODE_SQL = String.raw`(
  WITH RECURSIVE own_function AS MATERIALIZED (
    SELECT p.oid, p.proname, p.proargtypes, l.lanname, CASE WHEN p.prosqlbody IS NULL
      THEN regexp_replace(p.prosrc, '--[^\n]*|/\*.*?\*/', ' ', 'g') ELSE pg_get_functiondef(p.oid) END AS body
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.oid >= 16384 AND p.prokind <> 'a' AND n.nspname !~ '^pgloom'
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
  ), needed AS (
    SELECT e.classid, e.objid, e.refobjid AS function FROM pg_depend e
    WHERE e.refclassid = 'pg_proc'::regclass AND e.refobjid >= 16384
    UNION SELECT e.classid, e.objid, o.oprcode FROM pg_operator o
      JOIN pg_depend e ON e.refclassid = 'pg_operator'::regclass AND e.refobjid = o.oid
    WHERE o.oid >= 16384
  ), attached(relation, function, on_read) AS MATERIALIZED (
    SELECT u.* FROM (
      SELECT g.tgrelid, g.tgfoid, false FROM pg_trigger g WHERE NOT g.tgisinternal AND g.tgfoid >= 16384
      UNION SELECT d.adrelid, e.function, false FROM needed e
        JOIN pg_attrdef d ON e.classid = 'pg_attrdef'::regclass AND d.oid = e.objid
      UNION SELECT k.conrelid, e.function, false FROM needed e
        JOIN pg_constraint k ON e.classid = 'pg_constraint'::regclass AND k.oid = e.objid AND k.conrelid <> 0
      UNION SELECT a.attrelid, e.function, false FROM needed e
        JOIN pg_constraint k ON e.classid = 'pg_constraint'::regclass AND k.oid = e.objid AND k.contypid <> 0
        JOIN pg_attribute a ON a.atttypid = k.contypid AND NOT a.attisdropped
      UNION SELECT o.polrelid, e.function, true FROM needed e
        JOIN pg_policy o ON e.classid = 'pg_policy'::regclass AND o.oid = e.objid
      UNION SELECT w.ev_class, e.function, w.ev_type = '1' FROM needed e
        JOIN pg_rewrite w ON e.classid = 'pg_rewrite'::regclass AND w.oid = e.objid
    ) u JOIN own_function f ON f.oid = u.tgfoid
  ), attached_function AS MATERIALIZED (
    SELECT f.* FROM own_function f WHERE f.oid IN (SELECT function FROM attached)
  ), harmful AS (
    SELECT f.oid FROM attached_function f
    WHERE f.lanname NOT IN ('sql', 'plpgsql')
      OR f.body ~* '\m(set_config|reset|discard|listen|unlisten|pg_temp|temp|temporary|hold|prepare|setseed|execute|dblink\w*|pg_(try_)?advisory_lock\w*)\M'
      OR f.body ~* '(^|[;''">]|\m(begin|then|else|loop)\M)\s*set\s'
      OR EXISTS (SELECT FROM regexp_matches(f.body, '([[:alpha:]_][\w$]*)"?\s*\(', 'g') m
        JOIN own_function g ON lower(g.proname) = lower(m[1]) AND g.oid <> f.oid)
  ), edge(source, target, on_read, is_view) AS (
    SELECT r.ev_class, d.refobjid, r.ev_type = '1', true FROM pg_rewrite r
      JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
    WHERE r.oid >= 16384 AND d.refobjid <> r.ev_class
    UNION SELECT confrelid, conrelid, false, false FROM pg_constraint WHERE contype = 'f' AND confrelid <> conrelid
    UNION SELECT inhparent, inhrelid, true, true FROM pg_inherits
    UNION SELECT a.relation, c.oid, a.on_read, false FROM attached a JOIN attached_function f ON f.oid = a.function
      CROSS JOIN LATERAL (SELECT DISTINCT lower(m[1]) AS word FROM regexp_matches(f.body, '([[:alpha:]_][\w$]*)', 'g') m) w
      JOIN pg_class c ON lower(c.relname) = w.word AND c.oid >= 16384 AND c.oid <> a.relation
  ), lasting(relation, on_read) AS (
    SELECT a.relation, a.on_read FROM attached a JOIN harmful h ON h.oid = a.function
    UNION SELECT e.source, e.on_read AND (l.on_read OR NOT e.is_view) FROM lasting l JOIN edge e ON e.target = l.relation
  )
  SELECT json_build_object(
    'writes', (SELECT json_agg(DISTINCT c.relname) FROM lasting l JOIN pg_class c ON c.oid = l.relation),
    'reads', (SELECT json_agg(DISTINCT c.relname) FROM lasting l JOIN pg_class c ON c.oid = l.relation WHERE l.on_read),
    'functions', (SELECT json_agg(DISTINCT p.proname) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
      WHERE p.oid >= 16384 AND n.nspname !~ '^pgloom'
        AND EXISTS (SELECT FROM pg_proc b WHERE b.proname = p.proname AND b.pronamespace = 'pg_catalog'::regnamespace)
        AND (NOT EXISTS (SELECT FROM unnest(p.proargtypes) t WHERE t >= 16384) OR NOT EXISTS (SELECT FROM pg_depend d
          WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'))),
    'operators', (SELECT json_agg(DISTINCT o.oprname) FROM pg_operator o
      WHERE o.oid >= 16384 AND o.oprleft < 16384 AND o.oprright < 16384),
    'ownOperators', (SELECT json_agg(DISTINCT o.oprname) FROM pg_operator o
      WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_operator'::regclass AND d.objid = o.oid AND d.deptype = 'e')))
)`
