import type { TestApp } from './test-app.ts';
import { expectProblem } from './expect-problem.ts';
import type { Tenant } from './tenant.ts';

export const checkpointExpired = '410 CHECKPOINT_EXPIRED';

/** Pulls with the given query. @returns `good`, or the status and the code of the refusal */
export async function pullStatusOf(
  service: TestApp,
  tenant: Tenant,
  query: Record<string, string>,
): Promise<string> {
  const url = `/api/sync/changes?${new URLSearchParams(query).toString()}`;
  const answer = await service.request({ url, sender: tenant.sender() });
  if (answer.status === 200) return 'good';
  const { status, code } = expectProblem(answer);
  return `${status} ${code}`;
}
