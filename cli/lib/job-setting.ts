/** Where and how the jobs of a service run; null: an older service that does not tell. */
export interface JobSetting {
  readonly platform: string | null;
  /** Jobs at the same time. */
  readonly slots: number | null;
  /** What one job may use; null in it: as much as there is. */
  readonly limits: { readonly cpus: number | null; readonly memoryBytes: number | null } | null;
}

/** Rows of a table for people. */
export function jobSettingRows({ platform, slots, limits }: JobSetting): string[][] {
  return [
    ...(platform === null ? [] : [['platform', platform]]),
    ...(slots === null ? [] : [['slots', String(slots)]]),
    ...(limits === null ? [] : [['each job', limitsText(limits) ?? 'no limits']]),
  ];
}

/** The same, and where the data is, as one line. */
export function jobSettingLine(dataDir: string, { platform, slots, limits }: JobSetting): string {
  const data = `Its data is in ${dataDir}.`;
  if (platform === null || slots === null) return data;
  const where = platform === 'docker' ? 'in Docker' : 'as processes';
  const most = limits === null ? null : limitsText(limits);
  return `${data} Jobs run ${where}, ${slots} at the same time, ${most === null ? 'without limits' : `each with ${most}`}.`;
}

function limitsText({ cpus, memoryBytes }: NonNullable<JobSetting['limits']>): string | null {
  const parts = [
    ...(cpus === null ? [] : [cpus === 1 ? '1 processor' : `${cpus} processors`]),
    ...(memoryBytes === null ? [] : [`${sizeText(memoryBytes)} of memory`]),
  ];
  return parts.length === 0 ? null : `at most ${parts.join(' and ')}`;
}

function sizeText(bytes: number): string {
  const gibibytes = bytes / 1024 ** 3;
  if (Number.isInteger(gibibytes)) return `${gibibytes} GiB`;
  const mebibytes = bytes / 1024 ** 2;
  return Number.isInteger(mebibytes) ? `${mebibytes} MiB` : `${mebibytes.toFixed(1)} MiB`;
}
