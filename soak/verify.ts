import { check } from '../tests/testkit/checker/check.ts';
import type { CheckReport } from '../tests/testkit/checker/report.ts';
import { readStoredState, type StoredEventRow } from '../tests/testkit/checker/stored-state.ts';
import { sortedJson } from '../tests/testkit/oracle/bundled/apply-write.ts';
import type { ConflictResolution } from './conflict-resolutions.ts';
import type { Deployment } from './deployment.ts';
import type { SoakTenant } from './tenants.ts';

export interface VerificationResult {
  readonly counts: CheckReport['counts'];
  /** The number of versions that are missing or occur more than once. */
  readonly gaps: number;
  /** The number of all violations, gaps included. */
  readonly violationCount: number;
  /** The violations, for people to read. */
  readonly details: readonly string[];
}

/** Checks every guarantee, once no fault is active and all devices have drained their queues. */
export async function verifyTenants(
  deployment: Deployment,
  tenants: readonly SoakTenant[],
): Promise<VerificationResult> {
  const counts = { sent: 0, acknowledged: 0, unknown: 0, lost: 0, twice: 0, differing: 0 };
  const details: string[] = [];
  let [gaps, violationCount] = [0, 0];
  for (const { name, history, resolutions, users } of tenants) {
    const devices = users.flatMap(({ device, freshDevices }) => [device, ...freshDevices]);
    const databaseUrl = deployment.postgres.url;
    const report = await check({ databaseUrl, tenant: name, history, devices });
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) {
      counts[key] += report.counts[key];
    }
    gaps += report.violations.filter(({ kind }) => kind === 'gap').length;
    if (report.violations.length > 0) details.push(report.text);
    const { log } = await readStoredState(databaseUrl, name);
    const internalErrors = history.requests.filter(({ reason }) => reason === 'INTERNAL').length;
    const others = [
      ...resolutionViolations(resolutions, log),
      ...(internalErrors > 0 ? [`${internalErrors} pushes were answered INTERNAL`] : []),
    ];
    details.push(...others.map((text) => `${name}: ${text}`));
    violationCount += report.violations.length + others.length;
  }
  for (const node of deployment.nodes) {
    const exitReason = node.unexpectedExitReason();
    if (exitReason === undefined) continue;
    details.push(`service ${node.name} ended by itself:\n${exitReason}`);
    violationCount += 1;
  }
  return { counts, gaps, violationCount, details };
}

/** The log contains every acknowledged resolution of a conflict, and no resolution that nobody requested. */
function resolutionViolations(
  resolutions: readonly ConflictResolution[],
  log: readonly StoredEventRow[],
): string[] {
  const versions = new Map(log.map(({ identityKey, version }) => [identityKey, version]));
  const stored = new Map(
    log
      .filter(({ resolution }) => resolution !== null)
      .map((row) => [row.identityKey, row] as const),
  );
  const resolutionKeyOf = (identityKey: string) =>
    `landfall:resolution:${versions.get(identityKey)}`;
  const isStored = ({ identityKey, resolution, payload }: ConflictResolution) => {
    const row = stored.get(resolutionKeyOf(identityKey));
    if (row?.resolution !== resolution) return false;
    return (
      payload === undefined || sortedJson(payload) === sortedJson(JSON.parse(row.payload ?? 'null'))
    );
  };
  const lost = resolutions
    .filter((resolution) => resolution.status === 200 && !isStored(resolution))
    .map(({ identityKey, device, resolution }) => {
      const found = stored.get(resolutionKeyOf(identityKey))?.resolution ?? 'nothing';
      return `LOST RESOLUTION ${identityKey}: ${device} was answered that it is resolved by ${resolution}; stored is ${found}`;
    });
  const requested = new Set(
    resolutions.filter(isStored).map(({ identityKey }) => resolutionKeyOf(identityKey)),
  );
  const unexpected = [...stored.keys()]
    .filter((key) => !requested.has(key))
    .map((key) => `UNEXPECTED RESOLUTION ${key}: nobody requested it in this way`);
  return [...lost, ...unexpected];
}
