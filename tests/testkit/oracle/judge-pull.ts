import type { TestApp } from '../app.ts';
import { refusalOf } from './refusal.ts';
import type { Tenant } from './tenant.ts';

export const expired = '410 CHECKPOINT_EXPIRED';

/** Status and code of the refusal of a pull, or `good`. */
export async function judgePull(
  service: TestApp,
  tenant: Tenant,
  query: Record<string, string>,
): Promise<string> {
  const url = `/api/sync/changes?${new URLSearchParams(query).toString()}`;
  const answer = await service.request({ url, sender: tenant.sender() });
  if (answer.status === 200) return 'good';
  const { status, code } = refusalOf(answer);
  return `${status} ${code}`;
}
