/**
 * Every limit of the service, in one place; `GET /v1/service` shows them. Sizes in bytes, durations in
 * ms unless the name says otherwise.
 */
export const LIMITS = {
  /** Body of a JSON request; uploads have their own. */
  bodyBytes: 2 * 1024 * 1024,
  /** An experiment config sent inline; a larger one travels as a layer. */
  inlineConfigBytes: 512 * 1024,
  configBytes: 32 * 1024 * 1024,
  /** Experiments of one submission. */
  experiments: 10_000_000,
  /** Experiments of one chunk: one commit of at most 500 writes. */
  chunkExperiments: 200,
  codeLayers: 64,
  layerBlobBytes: 4 * 1024 ** 3,
  layerUncompressedBytes: 16 * 1024 ** 3,
  layerEntries: 1_000_000,
  uploadChunkBytes: 64 * 1024 * 1024,
  /** Words after `--`, and the length of each. */
  scriptArgs: 1_000,
  argBytes: 32 * 1024,
  labels: 60,
  nameLength: 100,
  groupNameLength: 128,
  idempotencyKeyLength: 255,
  /** Facets (labels and flag values that can be searched) kept for a job. */
  facets: 60,
  facetLength: 160,
  history: 50,
  requirementsBytes: 4 * 1024 * 1024,
  pageItems: 500,
  defaultPageItems: 100,
  /** Jobs in one page of experiments. */
  pageJobs: 5_000,
  /** A request ends after this; followed logs and events after `followMs`, to be resumed. */
  requestMs: 30_000,
  /** One PUT of layer bytes ends after this; what arrived is kept. */
  uploadMs: 5 * 60_000,
  followMs: 15 * 60_000,
  logChunkBytes: 256 * 1024,
  logGrepLength: 200,
  /** How much of a log one filtered answer looks at; its cursor goes on. */
  logScanBytes: 16 * 1024 * 1024,
  /** Connections that follow logs or events at the same time. */
  followers: 200,
  /**
   * Commits and reads that wait for the database. A group of commits is written every few hundredths of a second and takes up to a
   * thousand rows, a page is read in about a millisecond: what would stand behind more could miss its request's deadline.
   */
  waitingCommits: 1_000,
  waitingReads: 5_000,
  /** The service is not ready when its store does not answer a read for so long, or a loop has not turned for so long. */
  storeReadMs: 2_000,
  loopTurnMs: 60_000,
  /** It is not ready either with less free space where its data is. */
  freeBytes: 64 * 1024 * 1024,
  /** A start warns with less: a first upload and its environment may need it. */
  firstUploadBytes: 1024 ** 3,
  /** The service's log; an older one of this size is kept beside it. */
  logBytes: 64 * 1024 * 1024,
  /** The log of one attempt of a job on this machine; it says at its end when more was printed. */
  jobLogBytes: 1024 ** 3,
  /** Of what one attempt in a container writes in its working directory, so much is kept; files, directories and links. */
  jobFilesBytes: 10 * 1024 ** 3,
  jobFiles: 100_000,
  /** Processes and threads of one job in a container; half of what the kernel has where nobody raised `kernel.pid_max`. */
  jobProcesses: 16_384,
} as const;
