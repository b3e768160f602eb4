/**
 * What a client has prepared on several nodes (spread-prepare.ts) is to be seen in the coordinator's list for as long as the client
 * likes, and with it the name under which it is decided: only its owner's rights may do that. `pgloom_<cluster>_<32 digits>` is
 * prepared as `pgloom::<cluster>:<32 digits>:<the client's name>`.
 * Others act upon a decision: it must outlive a crash, whatever the client has set for its own commit.
 */
export const GUARDED_DECISIONS_SQL = `
CREATE OR REPLACE FUNCTION pgloom.decide(transactionid text, decision text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  in_force text;
  prepared_as text := 'pgloom::' || left(substr($1, 8), -33) || ':' || right($1, 32) || ':';
BEGIN
  SELECT t.decision INTO in_force FROM pgloom.pg_dist_transaction t WHERE t.transactionid = $1;
  IF in_force IS NOT NULL THEN
    RETURN in_force;
  END IF;
  IF EXISTS (SELECT FROM pg_prepared_xacts p WHERE p.database = current_database()
    AND starts_with(p.gid, prepared_as) AND NOT pg_has_role(pgloom.caller(), p.owner, 'USAGE')) THEN
    RAISE EXCEPTION 'permission denied to finish prepared transaction' USING ERRCODE = '42501';
  END IF;
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  INSERT INTO pgloom.pg_dist_transaction (transactionid, decision) VALUES ($1, $2)
  ON CONFLICT ON CONSTRAINT pg_dist_transaction_pkey DO NOTHING;
  SELECT t.decision INTO in_force FROM pgloom.pg_dist_transaction t WHERE t.transactionid = $1;
  RETURN in_force;
END $$;
`
