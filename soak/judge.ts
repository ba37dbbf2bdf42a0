import { check } from '../tests/testkit/checker/check.ts';
import type { Findings } from '../tests/testkit/checker/report.ts';
import { readStored, type StoredEvent } from '../tests/testkit/checker/stored.ts';
import { textOf } from '../tests/testkit/oracle/bundled/write.ts';
import type { Settlement } from './settlements.ts';
import type { Stage } from './stage.ts';
import type { Tenant } from './town.ts';

export interface Verdict {
  readonly counts: Findings['counts'];
  /** Versions that are missing, or that are there more than once. */
  readonly gaps: number;
  /** Of whatever kind, those above among them. */
  readonly problems: number;
  /** All that is wrong, for people to read. */
  readonly findings: readonly string[];
}

/** Everything is calm and drained: what has to hold, holds or does not. */
export async function judge(stage: Stage, tenants: readonly Tenant[]): Promise<Verdict> {
  const counts = { sent: 0, acknowledged: 0, unknown: 0, lost: 0, twice: 0, differing: 0 };
  const findings: string[] = [];
  let [gaps, problems] = [0, 0];
  for (const { name, history, settlements, users } of tenants) {
    const devices = users.flatMap(({ device, others }) => [device, ...others]);
    const databaseUrl = stage.postgres.url;
    const found = await check({ databaseUrl, tenant: name, history, devices });
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) {
      counts[key] += found.counts[key];
    }
    gaps += found.problems.filter(({ kind }) => kind === 'gap').length;
    if (found.problems.length > 0) findings.push(found.text);
    const { log } = await readStored(databaseUrl, name);
    const faults = history.requests.filter(({ reason }) => reason === 'INTERNAL');
    const others = [
      ...brokenSettlements(settlements, log),
      ...(faults.length > 0 ? [`${faults.length} pushes were answered INTERNAL`] : []),
    ];
    findings.push(...others.map((text) => `${name}: ${text}`));
    problems += found.problems.length + others.length;
  }
  for (const node of stage.nodes) {
    const words = node.endedByItself();
    if (words === undefined) continue;
    findings.push(`service ${node.name} ended by itself:\n${words}`);
    problems += 1;
  }
  return { counts, gaps, problems, findings };
}

/** Who was told that a conflict is settled finds it so in the log, and nobody else settled it. */
function brokenSettlements(
  settlements: readonly Settlement[],
  log: readonly StoredEvent[],
): string[] {
  const versions = new Map(log.map(({ identityKey, version }) => [identityKey, version]));
  const settled = new Map(
    log
      .filter(({ resolution }) => resolution !== null)
      .map((row) => [row.identityKey, row] as const),
  );
  const keyOf = (identityKey: string) => `landfall:resolution:${versions.get(identityKey)}`;
  const isSo = ({ identityKey, resolution, payload }: Settlement) => {
    const row = settled.get(keyOf(identityKey));
    if (row?.resolution !== resolution) return false;
    return payload === undefined || textOf(payload) === textOf(JSON.parse(row.payload ?? 'null'));
  };
  const broken = settlements
    .filter((settlement) => settlement.status === 200 && !isSo(settlement))
    .map(
      ({ identityKey, device, resolution }) =>
        `LOST SETTLEMENT ${identityKey}: ${device} was told that it is settled by ${resolution}; stored is ${settled.get(keyOf(identityKey))?.resolution ?? 'nothing'}`,
    );
  const asked = new Set(settlements.filter(isSo).map(({ identityKey }) => keyOf(identityKey)));
  const unasked = [...settled.keys()]
    .filter((key) => !asked.has(key))
    .map((key) => `UNASKED SETTLEMENT ${key}: nobody asked for it in this way`);
  return [...broken, ...unasked];
}
