import type { ClientBase } from 'pg';

const text = `
UPDATE tenants AS tenant
SET head = moved.head
FROM unnest($1::text[], $2::bigint[]) AS moved (id, head)
WHERE tenant.id = moved.id`;

/** Moves heads past the events just appended. */
export async function advanceHeads(
  client: ClientBase,
  tenants: readonly { readonly id: string; readonly head: number }[],
): Promise<void> {
  await client.query({
    name: 'advance-heads',
    text,
    values: [tenants.map(({ id }) => id), tenants.map(({ head }) => head)],
  });
}
