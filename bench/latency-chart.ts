import { colourOf, element, GRID, label, legend, MARGIN, picture } from './svg.ts'

export type LatencyGroup = {
  readonly name: string
  readonly spans: readonly {
    readonly system: string
    readonly p50Ms: number
    readonly p99Ms: number
  }[]
}

const WIDTH = 920
const LEFT = 150
const TOP = 62
const ROW = 13
const GROUP_GAP = 12
const DOT = 4

/** A line from p50 to p99 for each system, on a logarithmic axis. */
export function latencyChart(title: string, groups: readonly LatencyGroup[]): string {
  const values = groups.flatMap(({ spans }) => spans.flatMap(({ p50Ms, p99Ms }) => [p50Ms, p99Ms]))
  const axis = logAxis(values)
  const rows = groups.reduce((count, { spans }) => count + spans.length, 0)
  const bottom = TOP + rows * ROW + groups.length * GROUP_GAP
  let y = TOP + GROUP_GAP
  const drawn = groups.flatMap((group) => {
    const start = y
    y += group.spans.length * ROW + GROUP_GAP
    return drawGroup(group, start, axis.x)
  })
  const systems = [...new Set(groups.flatMap(({ spans }) => spans.map(({ system }) => system)))]
  const entries = systems.map((name) => ({ name, fill: colourOf(name) }))
  return picture(WIDTH, bottom + 30, `${title} (p50 to p99, ms)`, [
    ...legend(entries, 42),
    ...axis.decades.flatMap((decade) => drawDecade(decade, axis.x(decade), bottom)),
    ...drawn,
  ])
}

type LogAxis = { readonly decades: readonly number[]; x(value: number): number }

/** Whole decades around the values. */
export function logAxis(values: readonly number[]): LogAxis {
  const positive = values.filter((value) => value > 0)
  const first = Math.floor(Math.log10(Math.min(...positive, 1)))
  const last = Math.max(first + 1, Math.ceil(Math.log10(Math.max(...positive, 1))))
  const decades = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
  const width = WIDTH - LEFT - MARGIN
  return {
    decades,
    x: (value) => LEFT + (width * (Math.log10(value) - first)) / (last - first),
  }
}

function drawDecade(decade: number, x: number, bottom: number): string[] {
  const line = { x1: x, x2: x, y1: TOP, y2: bottom, stroke: GRID }
  return [element('line', line), label(x, bottom + 16, `${decade} ms`)]
}

function drawGroup(group: LatencyGroup, top: number, x: (value: number) => number): string[] {
  const middle = top + ((group.spans.length - 1) * ROW) / 2 + 4
  const spans = group.spans.flatMap(({ system, p50Ms, p99Ms }, index) => {
    const y = top + index * ROW
    const colour = colourOf(system)
    const ends = { x1: x(p50Ms), x2: x(p99Ms), y1: y, y2: y }
    return [
      element('line', { ...ends, stroke: colour, 'stroke-width': 3, opacity: 0.5 }),
      element('circle', { cx: x(p50Ms), cy: y, r: DOT, fill: colour }),
      element('circle', { cx: x(p99Ms), cy: y, r: DOT, fill: '#ffffff', stroke: colour }),
    ]
  })
  return [label(LEFT - 16, middle, group.name, { 'text-anchor': 'end' }), ...spans]
}
