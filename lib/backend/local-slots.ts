import {
  type ConnectionSlots,
  type MaybeAsync,
  NO_NEED,
  type SlotHolder,
  type SlotLease,
  type SlotLimits,
  type SlotNeed,
  type SlotPool,
} from './connection-slots.ts'

const TICK_MS = 250

/** All pools that one bound is about. */
type Group = {
  readonly members: Set<Member>
  held: number
  /** 0: none. */
  readonly limit: (need: SlotNeed) => number
}

type Member = {
  readonly holder: SlotHolder
  readonly groups: readonly Group[]
  held: number
  need: SlotNeed
  lastGrant: number
  /** Promised to close so many for others. */
  owed: number
  isRelieved: boolean
}

/**
 * The bounds of this process, or of all whose pools join here. Free slots go to the pool that holds fewest, then to the one
 * that got one longest ago. A pool that starves gets another's idle connection closed; where none is idle, the one that
 * holds most closes the next that comes back, until all that want have the same. Where there are fewer slots
 * than pools, they take turns, a few a second.
 */
export class LocalSlots implements ConnectionSlots {
  #limits: SlotLimits
  readonly #groups = new Map<string, Group>()
  readonly #members = new Set<Member>()
  #ticker: NodeJS.Timeout | undefined
  #grants = 0
  #isSettling = false

  constructor(limits: SlotLimits) {
    this.#limits = limits
  }

  /** From now on by itself, until stop(). */
  start(): void {
    this.#ticker = setInterval(() => this.tick(), TICK_MS)
    this.#ticker.unref()
  }

  stop(): void {
    clearInterval(this.#ticker)
  }

  /** Nobody is dropped: what is too much is not replaced. */
  reload(limits: SlotLimits): void {
    this.#limits = limits
    this.#settle()
  }

  join(pool: SlotPool, holder: SlotHolder): SlotLease {
    const member: Member = {
      holder,
      groups: this.#groupsOf(pool),
      held: 0,
      need: NO_NEED,
      lastGrant: 0,
      owed: 0,
      isRelieved: false,
    }
    this.#members.add(member)
    for (const group of member.groups) group.members.add(member)
    return {
      ask: (need) => {
        member.need = need
        if (need.wanted > 0) this.#settle()
      },
      giveBack: (count) => {
        if (!this.#members.has(member)) return
        this.#return(member, count)
        this.#settle()
      },
      leave: () => {
        this.#return(member, member.held)
        this.#members.delete(member)
        for (const group of member.groups) group.members.delete(member)
        this.#forgetEmptyGroups()
        this.#settle()
      },
    }
  }

  /** A few times a second: tries again for those who starve, and takes back what exceeds a bound. */
  tick(): void {
    for (const group of this.#groups.values()) {
      const limit = group.limit({ ...NO_NEED, isLate: true })
      const [richest] = othersOf(group, undefined)
      const owed = [...group.members].reduce((sum, member) => sum + member.owed, 0)
      if (limit === 0 || group.held - owed <= limit || richest === undefined) continue
      void surrenders(richest, true)
    }
    for (const member of this.#members) {
      if (member.need.wanted > 0) void this.#relieve(member, true)
    }
  }

  #groupsOf(pool: SlotPool): Group[] {
    const { host, port, database, user } = pool
    const server = `${host}\0${port}`
    const poolSize = ({ isLate }: SlotNeed) => {
      const size = this.#limits.poolSize(pool)
      return size > 0 && isLate ? size + this.#limits.reserveSize(pool) : size
    }
    return [
      this.#group(`p\0${server}\0${database}\0${user}`, poolSize),
      this.#group(`d\0${server}\0${database}`, () => this.#limits.maxDatabaseConnections(pool)),
      this.#group(`u\0${server}\0${user}`, () => this.#limits.maxUserConnections(pool)),
    ]
  }

  #group(key: string, limit: (need: SlotNeed) => number): Group {
    const known = this.#groups.get(key)
    if (known !== undefined) return known
    const group: Group = { members: new Set(), held: 0, limit }
    this.#groups.set(key, group)
    return group
  }

  #forgetEmptyGroups(): void {
    for (const [key, group] of this.#groups) {
      if (group.members.size === 0) this.#groups.delete(key)
    }
  }

  #return(member: Member, count: number): void {
    member.held -= count
    member.owed = Math.max(0, member.owed - count)
    for (const group of member.groups) group.held -= count
  }

  #settle(): void {
    if (this.#isSettling) return
    this.#isSettling = true
    for (let next = this.#next(); next !== undefined; next = this.#next()) this.#grant(next)
    this.#isSettling = false
    for (const member of this.#members) {
      if (member.need.wanted > 0) void this.#relieve(member, false)
    }
  }

  #next(): Member | undefined {
    let best: Member | undefined
    for (const member of this.#members) {
      if (member.need.wanted <= 0 || fullGroups(member).length > 0) continue
      if (best === undefined || comesBefore(member, best)) best = member
    }
    return best
  }

  #grant(member: Member): void {
    this.#grants++
    member.lastGrant = this.#grants
    member.need = { ...member.need, wanted: member.need.wanted - 1 }
    member.held++
    for (const group of member.groups) group.held++
    member.holder.granted(1)
  }

  async #relieve(member: Member, isTurn: boolean): Promise<void> {
    if (member.isRelieved) return
    member.isRelieved = true
    try {
      const full = fullGroups(member)
      for (const group of full) if (await makeRoom(group, member, isTurn)) return
      if (!member.need.isUrgent) return
      const blocked = areBlocked(full)
      if (typeof blocked === 'boolean' ? !blocked : !(await blocked)) return
      // others may have moved while we asked
      if (member.need.wanted > 0 && fullGroups(member).length > 0) this.#grant(member)
    } finally {
      member.isRelieved = false
    }
  }
}

function fullGroups({ groups, need }: Member): readonly Group[] {
  return groups.filter((group) => {
    const limit = group.limit(need)
    return limit > 0 && group.held >= limit
  })
}

function comesBefore(a: Member, b: Member): boolean {
  return a.held === b.held ? a.lastGrant < b.lastGrant : a.held < b.held
}

/** Returns whether a slot of the group will come back. */
async function makeRoom(group: Group, member: Member, isTurn: boolean): Promise<boolean> {
  const others = othersOf(group, member)
  for (const other of others) {
    if (await surrenders(other, false)) return true
  }
  const [richest] = others
  if (richest === undefined) return false
  const excess = richest.held - richest.owed - member.held
  if (excess <= 1 && !(isTurn && member.held === 0)) return false
  return await surrenders(richest, true)
}

/** Who has something to give, the richest first. */
function othersOf(group: Group, member: Member | undefined): Member[] {
  return [...group.members]
    .filter((other) => other !== member && other.held > other.owed)
    .sort((a, b) => b.held - b.owed - (a.held - a.owed))
}

async function surrenders(member: Member, isFair: boolean): Promise<boolean> {
  const answer = member.holder.surrender(isFair)
  const isPromised = typeof answer === 'boolean' ? answer : await answer
  if (isPromised && isFair) member.owed++
  return isPromised
}

/** At once, where all are of this process: nothing moves between answer and use. */
function areBlocked(groups: readonly Group[]): MaybeAsync<boolean> {
  const members = new Set(groups.flatMap((group) => [...group.members]))
  // all are asked, not only until one moves: to ask is to see who stalls
  const answers = [...members]
    .filter(({ held }) => held > 0)
    .map(({ holder }) => holder.isBlocked())
  if (answers.includes(false)) return false
  const pending = answers.filter((answer) => typeof answer !== 'boolean')
  if (pending.length === 0) return true
  return Promise.all(pending).then((all) => all.every((isBlocked) => isBlocked))
}
