/** Whether the view `c` of pg_class reads with the rights of whoever reads it. */
export const INVOKES_SQL = `(coalesce(c.reloptions::pg_catalog.text, '') ~* 'security_invoker=(true|on|yes|1)')`

/** What the view `c` of pg_class is at the moment: its query with the objects it means, its owner, its options. */
export const VIEW_STATE_SQL = `SELECT pg_catalog.md5(pg_catalog.concat_ws(' ', w.ev_action::pg_catalog.text, c.relowner,
    c.reloptions::pg_catalog.text)) FROM pg_catalog.pg_rewrite w WHERE w.ev_class = c.oid AND w.rulename = '_RETURN'`
