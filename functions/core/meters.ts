/** Labels of one number, by name. */
export type Labels = Readonly<Record<string, string>>;

/** One number; `suffix` as `_bucket` of a histogram. */
export interface Sample {
  readonly suffix?: '_bucket' | '_sum' | '_count';
  readonly labels: Labels;
  readonly value: number;
}

/** Numbers of one name. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly Sample[];
}

// Seconds.
const REQUEST_BUCKETS = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const BUILD_BUCKETS = [1, 5, 10, 30, 60, 120, 300, 600, 1_200, 3_600];

/**
 * Everything this process counts. Names and labels are API: add freely, never rename. Each label has few values whatever users send:
 * no path, no name, no id.
 */
const METERS = {
  caliban_http_requests_total: {
    help: 'Requests answered, by route pattern.',
    labels: ['method', 'route', 'status'],
  },
  caliban_http_request_duration_seconds: {
    help: 'Time until the answer began.',
    labels: ['method', 'route'],
    buckets: REQUEST_BUCKETS,
  },
  caliban_jobs_created_total: { help: 'Jobs created from submissions.', labels: ['lane'] },
  caliban_job_moves_total: {
    help: 'Moves of jobs from one state to another.',
    labels: ['lane', 'from', 'to'],
  },
  caliban_lane_claims_total: { help: 'Jobs let through the gate.', labels: ['lane'] },
  caliban_lane_submits_total: {
    help: 'What became of submits to the platform.',
    labels: ['lane', 'outcome'],
  },
  caliban_build_duration_seconds: {
    help: 'Time from the start of the last try of a build to its end.',
    labels: ['state'],
    buckets: BUILD_BUCKETS,
  },
  caliban_messages_handled_total: {
    help: 'Messages handled: done, put back to be tried again, or parked after ten failures.',
    labels: ['kind', 'outcome'],
  },
} as const satisfies Record<string, MeterSpec>;

interface MeterSpec {
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds; a meter that has them is a histogram. */
  readonly buckets?: readonly number[];
}

type MeterName = keyof typeof METERS;
type HistogramName = {
  [N in MeterName]: (typeof METERS)[N] extends { readonly buckets: unknown } ? N : never;
}[MeterName];
type CounterName = Exclude<MeterName, HistogramName>;
type LabelsOf<N extends MeterName> = Readonly<Record<(typeof METERS)[N]['labels'][number], string>>;

/** What this process counts since its start: made once for each process, handed down like everything else. */
export interface Meters {
  count<N extends CounterName>(name: N, labels: LabelsOf<N>, by?: number): void;
  observe<N extends HistogramName>(name: N, labels: LabelsOf<N>, value: number): void;
  /** Everything, as it is now. */
  families(): readonly Family[];
}

/** Meters that stand at zero. */
export function createMeters(): Meters {
  const names = Object.keys(METERS) as MeterName[];
  const series = new Map(names.map((name) => [name, new Map<string, Series>()]));

  function seriesOf(name: MeterName, labels: Labels): Series {
    const { labels: order, buckets }: MeterSpec = METERS[name];
    const key = order.map((label) => labels[label]).join('\0');
    const known = series.get(name)?.get(key);
    if (known !== undefined) return known;
    const made: Series = { labels, count: 0, sum: 0, below: (buckets ?? []).map(() => 0) };
    series.get(name)?.set(key, made);
    return made;
  }

  return {
    count(name, labels, by = 1) {
      seriesOf(name, labels).count += by;
    },
    observe(name, labels, value) {
      const found = seriesOf(name, labels);
      found.count += 1;
      found.sum += value;
      const at = METERS[name].buckets.findIndex((bound) => value <= bound);
      if (at >= 0) found.below[at] = (found.below[at] ?? 0) + 1;
    },
    families: () => names.map((name) => familyOf(name, [...(series.get(name)?.values() ?? [])])),
  };
}

interface Series {
  readonly labels: Labels;
  count: number;
  sum: number;
  /** How many fell between a bound and the one before it. */
  readonly below: number[];
}

function familyOf(name: MeterName, series: readonly Series[]): Family {
  const { help, buckets }: MeterSpec = METERS[name];
  return buckets === undefined
    ? {
        ...{ name, help, type: 'counter' },
        samples: series.map(({ labels, count }) => ({ labels, value: count })),
      }
    : {
        ...{ name, help, type: 'histogram' },
        samples: series.flatMap((each) => histogramSamples(each, buckets)),
      };
}

function histogramSamples(series: Series, bounds: readonly number[]): Sample[] {
  const { labels, count, sum, below } = series;
  let cumulative = 0;
  const buckets = bounds.map((bound, at): Sample => {
    cumulative += below[at] ?? 0;
    return { suffix: '_bucket', labels: { ...labels, le: String(bound) }, value: cumulative };
  });
  return [
    ...buckets,
    { suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count },
    { suffix: '_sum', labels, value: sum },
    { suffix: '_count', labels, value: count },
  ];
}
