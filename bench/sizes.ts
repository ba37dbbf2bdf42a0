/** How much of everything a run does. */
export interface Sizes {
  readonly name: 'full' | 'quick' | 'smoke';
  /** Measurements of each system, in turns. */
  readonly rounds: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly growth: { readonly few: number; readonly many: number };
  /** Records of one tenant. */
  readonly largeTenant: { readonly few: number; readonly many: number };
  /** A tenant. */
  readonly pullRecords: number;
  readonly latencySeconds: number;
  readonly memorySeconds: number;
  readonly bootstrapRecords: number;
  /** Of load beyond what the service can take. */
  readonly floodSeconds: number;
  readonly floodRounds: number;
  /** Requests at once of one tenant. */
  readonly crowd: number;
}

export const tenantCount = 50;
/** A tenant. */
export const entityCount = 1_000;
export const batchSize = 50;
export const batchLanes = 8;
export const pageSize = 1_000;

/** What the targets are set for. */
const full: Sizes = {
  name: 'full',
  rounds: 5,
  warmUpSeconds: 5,
  seconds: 10,
  growth: { few: 100_000, many: 10_000_000 },
  largeTenant: { few: 100_000, many: 10_000_000 },
  pullRecords: 5_000,
  latencySeconds: 30,
  memorySeconds: 300,
  bootstrapRecords: 1_000_000,
  floodSeconds: 30,
  floodRounds: 3,
  crowd: 500,
};

/** A few minutes: to see where a change goes. Its tables stay in memory, its spread is wide. */
const quick: Sizes = {
  name: 'quick',
  rounds: 2,
  warmUpSeconds: 0.5,
  seconds: 0.5,
  growth: { few: 10_000, many: 50_000 },
  largeTenant: { few: 10_000, many: 50_000 },
  pullRecords: 1_000,
  latencySeconds: 2,
  memorySeconds: 5,
  bootstrapRecords: 20_000,
  floodSeconds: 2,
  floodRounds: 1,
  crowd: 500,
};

/** That the program works, and no figure worth reading. */
const smoke: Sizes = {
  name: 'smoke',
  rounds: 1,
  warmUpSeconds: 0.05,
  seconds: 0.1,
  growth: { few: 2_500, many: 5_000 },
  largeTenant: { few: 2_500, many: 5_000 },
  pullRecords: 1_000,
  latencySeconds: 0.2,
  memorySeconds: 0.3,
  bootstrapRecords: 2_000,
  floodSeconds: 0.5,
  floodRounds: 1,
  crowd: 20,
};

export const sizes = { full, quick, smoke };
