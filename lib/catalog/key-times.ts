import { hashSafeInteger, hashSpan, hashUint32 } from './pg-hash.ts'

const TIME =
  /^([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d)(?:\.(\d{1,6}))?)?(?: ?(Z|[+-]\d\d(?::?[0-5]\d)?))?$/

/** A timetz needs its offset in the text, else TimeZone decides; a time must not have one. */
export function hashOfTime(
  hasZone: boolean,
  typeModifier: number,
  text: string,
): number | undefined {
  const match = TIME.exec(text)
  if (match === null) return undefined
  const [, hours, minutes, seconds = '0', fraction = '', zone] = match
  if ((zone !== undefined) !== hasZone) return undefined
  if (typeModifier >= 0 && fraction.length > typeModifier) return undefined
  const total = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  const hash = hashSafeInteger(total * 1_000_000 + Number(fraction.padEnd(6, '0')))
  if (zone === undefined) return hash
  const east = offsetMinutes(zone)
  return east === undefined ? undefined : hash ^ hashUint32(east === 0 ? 0 : -east * 60)
}

/** East of Greenwich. Postgres allows up to 15:59:59 either way. */
export function offsetMinutes(zone: string): number | undefined {
  if (zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const total = hours * 60 + Number(zone.slice(3).replace(':', '') || '0')
  if (hours > 15) return undefined
  return zone.startsWith('-') ? -total : total
}

/** Never negative: what a sign belongs to depends on IntervalStyle. Each unit once, in this order. */
const INTERVAL =
  /^(?:(\d{1,4}) years?)?(?: ?(\d{1,4}) mon(?:th)?s?)?(?: ?(\d{1,4}) weeks?)?(?: ?(\d{1,6}) days?)?(?: ?(\d{1,6}) hours?)?(?: ?(\d{1,6}) min(?:ute)?s?)?(?: ?(\d{1,6}) sec(?:ond)?s?)?$/
const CLOCK = /^(?:(\d{1,6}) days? )?(\d{2,6}):([0-5]\d):([0-5]\d)(?:\.(\d{1,6}))?$/

export function hashOfInterval(text: string): number | undefined {
  const clock = CLOCK.exec(text)
  if (clock !== null) {
    const [days, hours, minutes, seconds] = numbers(clock.slice(1, 5))
    const fraction = Number((clock[5] ?? '').padEnd(6, '0'))
    return span(0, days, hours, minutes, seconds, fraction)
  }
  const units = text === '' ? null : INTERVAL.exec(text)
  if (units === null) return undefined
  const [years, months, weeks, days, hours, minutes, seconds] = numbers(units.slice(1))
  return span(years * 12 + months, weeks * 7 + days, hours, minutes, seconds, 0)
}

type Seven = [number, number, number, number, number, number, number]

function numbers(texts: readonly (string | undefined)[]): Seven {
  const at = (index: number) => Number(texts[index] ?? '0')
  return [at(0), at(1), at(2), at(3), at(4), at(5), at(6)]
}

function span(
  months: number,
  days: number,
  hours: number,
  minutes: number,
  seconds: number,
  microseconds: number,
): number {
  const whole = (hours * 60 + minutes) * 60 + seconds
  return hashSpan(BigInt(whole) * 1_000_000n + BigInt(microseconds), days, months)
}
