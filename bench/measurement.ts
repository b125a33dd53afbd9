/** What a benchmark prints, one line of JSON, and how the two sides of a throughput benchmark take turns. */
export interface Measurement {
  readonly sluice: number
  readonly bare: number
  readonly unit: string
  readonly ratio: number
}

export interface Contest {
  sluice(): Promise<number>
  bare(): Promise<number>
  readonly unit: string
  /** From what the two return to `unit`. */
  readonly scale: number
}

/** Bare before and after Sluice: what changes slowly on the machine hits both alike. */
export async function alternate({ sluice, bare, unit, scale }: Contest): Promise<void> {
  const before = await bare()
  const measured = await sluice()
  const between = (before + (await bare())) / 2
  printMeasurement({ sluice: measured * scale, bare: between * scale, unit, ratio: measured / between })
}

export function printMeasurement(measurement: Measurement): void {
  process.stdout.write(`${JSON.stringify(measurement)}\n`)
}
