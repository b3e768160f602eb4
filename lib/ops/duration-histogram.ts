import type { Metric, MetricType, MetricValueWithName } from 'prom-client'

type Series = {
  /** How many were in each bucket alone; the last: beyond all bounds. */
  readonly counts: Float64Array
  sumSeconds: number
}

/**
 * A histogram with one label for a registry of prom-client's. Its own Histogram hashes the labels of each observation, which
 * is more than the rest of a statement's bookkeeping; here an observation is an addition.
 */
export class DurationHistogram<Label extends string> {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #labelName: string
  /** Upper, ascending, in seconds. */
  readonly #bounds: readonly number[]
  readonly #series = new Map<Label, Series>()

  constructor(name: string, help: string, labelName: string, bounds: readonly number[]) {
    this.name = name
    this.help = help
    this.#labelName = labelName
    this.#bounds = bounds
  }

  /** For Registry.registerMetric(), which asks no more of a metric than get() and the fields. */
  get asMetric(): Metric {
    return this as unknown as Metric
  }

  observe(label: Label, seconds: number): void {
    const series = this.#series.get(label) ?? this.#add(label)
    const bounds = this.#bounds
    let bucket = 0
    while (bucket < bounds.length && seconds > (bounds[bucket] ?? 0)) bucket++
    series.counts[bucket] = (series.counts[bucket] ?? 0) + 1
    series.sumSeconds += seconds
  }

  /** Those of which something was observed. */
  counts(): readonly (readonly [Label, number])[] {
    return [...this.#series].map(([label, { counts }]) => [label, sum(counts)])
  }

  get(): Promise<{
    name: string
    help: string
    type: MetricType
    aggregator: 'sum'
    values: readonly MetricValueWithName<string>[]
  }> {
    const values = [...this.#series].flatMap(([label, series]) => this.#valuesOf(label, series))
    const { name, help, aggregator } = this
    return Promise.resolve({
      name,
      help,
      aggregator,
      type: this.type as unknown as MetricType,
      values,
    })
  }

  #valuesOf(label: Label, { counts, sumSeconds }: Series): MetricValueWithName<string>[] {
    const own = { [this.#labelName]: label }
    let below = 0
    const buckets = [...counts].map((count, index) => {
      below += count
      const le = this.#bounds[index] ?? '+Inf'
      return { metricName: `${this.name}_bucket`, labels: { le, ...own }, value: below }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels: own, value: sumSeconds },
      { metricName: `${this.name}_count`, labels: own, value: below },
    ]
  }

  #add(label: Label): Series {
    const series = { counts: new Float64Array(this.#bounds.length + 1), sumSeconds: 0 }
    this.#series.set(label, series)
    return series
  }
}

function sum(counts: Float64Array): number {
  return counts.reduce((total, count) => total + count, 0)
}
