import { connectClient } from '../../tests/testkit/postgres/client.ts';
import type { Cost, Sample } from '../load/sample.ts';
import { clusterMicros, findClusterProcess, processorMicros } from './processor-time.ts';

/** Reads what a measurement costs: processor time, and what PostgreSQL writes ahead. */
export interface CostMeter {
  /** @param pid of the process that does the work, beside PostgreSQL */
  measure(pid: number, work: () => Promise<Sample>): Promise<Sample>;
  close(): Promise<void>;
}

export async function openCostMeter(clusterUrl: string): Promise<CostMeter> {
  // One connection for all measurements: to open one costs PostgreSQL more than to answer.
  const client = await connectClient(clusterUrl);
  const postmaster = await findClusterProcess(client);

  async function read(pid: number): Promise<Cost> {
    const { rows } = await client.query<{ bytes: number }>(
      `SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 AS bytes`,
    );
    return {
      serviceMicros: await processorMicros(pid),
      postgresMicros: postmaster === null ? null : await clusterMicros(postmaster),
      walBytes: rows[0]?.bytes ?? 0,
    };
  }

  return {
    async measure(pid, work) {
      const before = await read(pid);
      const sample = await work();
      const after = await read(pid);
      const cost = {
        serviceMicros: difference(after.serviceMicros, before.serviceMicros),
        postgresMicros: difference(after.postgresMicros, before.postgresMicros),
        walBytes: after.walBytes - before.walBytes,
      };
      return { ...sample, cost };
    },
    close: () => client.end(),
  };
}

function difference(after: number | null, before: number | null): number | null {
  return after === null || before === null ? null : after - before;
}
