import type { StatementSender } from '../client/pipeline.ts';

const text = `
SELECT id, no, epoch
FROM tenants
WHERE id > $1 AND head > 0
ORDER BY id
LIMIT $2`;

export interface ListedTenant {
  readonly id: string;
  readonly no: number;
  readonly epoch: string;
}

/** The next tenants with at least one event, in the order of their ids. @param after the last id of the page before */
export async function listTenants(
  sender: StatementSender,
  after: string,
  limit: number,
): Promise<readonly ListedTenant[]> {
  const { rows } = await sender.query<ListedTenant>({
    name: 'list-tenants',
    text,
    values: [after, limit],
  });
  return rows;
}
