import { colourOf, element, GRID, label, legend, MARGIN, picture } from './svg.ts'

/** A bar is a stack of parts, the first at the bottom. */
export type Bar = { readonly system: string; readonly parts: readonly number[] }
export type BarGroup = { readonly name: string; readonly bars: readonly Bar[] }

export type BarChart = {
  readonly title: string
  readonly unit: string
  readonly groups: readonly BarGroup[]
  /** Of the parts, where there are several. */
  readonly partNames?: readonly string[]
}

const WIDTH = 920
const HEIGHT = 330
const TOP = 62
const BOTTOM = HEIGHT - 34
const GROUP_GAP = 14
const GRID_LINES = 4
const PART_OPACITIES = [1, 0.55, 0.25]

/** Bars side by side by system, in groups by case. */
export function barChart(chart: BarChart): string {
  const top = niceCeiling(Math.max(1, ...chart.groups.flatMap(({ bars }) => bars.map(sum))))
  const groupWidth = (WIDTH - 2 * MARGIN) / chart.groups.length
  const groups = chart.groups.flatMap((group, index) =>
    drawGroup(group, MARGIN + index * groupWidth, groupWidth, top),
  )
  const systems = [...new Set(chart.groups.flatMap(({ bars }) => bars.map(({ system }) => system)))]
  const entries = systems.map((name) => ({ name, fill: colourOf(name) }))
  const parts = (chart.partNames ?? []).map((name, index) => ({
    name,
    fill: '#000000',
    opacity: PART_OPACITIES[index] ?? 1,
  }))
  return picture(WIDTH, HEIGHT, `${chart.title} (${chart.unit})`, [
    ...legend([...entries, ...parts], 42),
    ...drawGrid(top),
    ...groups,
  ])
}

/** 1, 2, 2.5 or 5 times a power of ten. */
export function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value))
  const factor = [1, 2, 2.5, 5, 10].find((step) => step * power >= value) ?? 10
  return factor * power
}

/** 950, 12.3k */
export function shortNumber(value: number): string {
  if (value < 1000) return value.toFixed(value < 10 ? 1 : 0)
  return `${(value / 1000).toFixed(value < 100_000 ? 1 : 0)}k`
}

function drawGrid(top: number): string[] {
  return Array.from({ length: GRID_LINES + 1 }, (_, index) => {
    const y = BOTTOM - ((BOTTOM - TOP) * index) / GRID_LINES
    const value = shortNumber((top * index) / GRID_LINES)
    const line = { x1: MARGIN, x2: WIDTH - MARGIN, y1: y, y2: y, stroke: GRID }
    return element('line', line) + label(MARGIN - 6, y + 4, value, { 'text-anchor': 'end' })
  })
}

function drawGroup(group: BarGroup, left: number, width: number, top: number): string[] {
  const barWidth = (width - GROUP_GAP) / Math.max(1, group.bars.length)
  const bars = group.bars.flatMap((bar, index) => {
    const x = left + GROUP_GAP / 2 + index * barWidth
    let y = BOTTOM
    const parts = bar.parts.map((part, partIndex) => {
      const height = ((BOTTOM - TOP) * part) / top
      y -= height
      const opacity = PART_OPACITIES[partIndex] ?? 1
      const box = { x: x + 1, y, width: barWidth - 2, height }
      return element('rect', { ...box, fill: colourOf(bar.system), opacity })
    })
    const value = label(x + barWidth / 2, y - 3, shortNumber(sum(bar)), { 'font-size': 9 })
    return [...parts, value]
  })
  return [...bars, label(left + width / 2, BOTTOM + 18, group.name)]
}

function sum({ parts }: Bar): number {
  return parts.reduce((total, part) => total + part, 0)
}
