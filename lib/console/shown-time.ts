/** As PgBouncer shows times, in UTC: `2026-11-21 14:40:34 UTC`. */
export function shownTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`
}
