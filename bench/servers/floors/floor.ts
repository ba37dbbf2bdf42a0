import type { Client } from 'pg';
import type { Edit } from '../../load/work.ts';

/** What one connection stores at once: edits of one tenant. */
export interface FloorBatch {
  readonly tenant: string;
  /** From 1 on. */
  readonly tenantNo: number;
  /** The version of the tenant's newest event before the batch. */
  readonly head: number;
  readonly edits: readonly Edit[];
  /** The notes of a tenant. */
  readonly entities: number;
}

/** One way to store the log, and nothing else. */
export interface Floor {
  readonly createTable: string;
  /** Stores the batch and commits. */
  readonly store: (client: Client, batch: FloorBatch) => Promise<unknown>;
}
