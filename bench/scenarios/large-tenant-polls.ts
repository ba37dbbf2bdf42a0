import type { Poll } from '../load/poll-traffic.ts';

/** Requests to a tenant, several for each kind of page, so that they do not all read the same rows. */
export interface LargeTenantPolls {
  /** They find nothing new. */
  readonly idle: readonly Poll[];
  /** They find the records of the newest events. */
  readonly changes: readonly Poll[];
  /** They go on with a bootstrap from its middle. */
  readonly bootstrap: readonly Poll[];
}

export interface LargeTenant {
  readonly url: string;
  readonly tenant: string;
  readonly token: string;
  readonly records: number;
  /** The version of its newest event. */
  readonly head: number;
  /** Records a page. */
  readonly limit: number;
  /** Of the requests of a kind. */
  readonly count: number;
}

/** How many versions the pages of changes are apart. */
const stepOfChanges = 100;

type PageEnd = {
  readonly epoch: string;
  readonly checkpoint: string;
  readonly hasMore: boolean;
};

/** Asks the service for the checkpoints that a client would have there. */
export async function findLargeTenantPolls(of: LargeTenant): Promise<LargeTenantPolls> {
  const { url, tenant, token, records, head, limit, count } = of;

  async function pull(query: string): Promise<PageEnd> {
    const answer = await fetch(`${url}/api/sync/changes?${query}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    if (!answer.ok) throw new Error(`a pull was answered with ${answer.status}`);
    return (await answer.json()) as PageEnd;
  }
  const pollAfter = ({ checkpoint }: PageEnd): Poll => ({
    tenant,
    path: `/api/sync/changes?limit=${limit}&since=${checkpoint}`,
  });

  let page = await pull(`limit=${limit}`);
  const { epoch } = page;
  // A position leads to the end of the feed without all that is before it. It is one more than a version.
  const after = (version: number, most: number) =>
    pull(`limit=${most}&since=${version + 1}&epoch=${epoch}`);
  const idle = [pollAfter(await after(head, 1))];
  const changes: Poll[] = [];
  for (let index = 0; index < count; index += 1) {
    changes.push(pollAfter(await after(head - limit - index * stepOfChanges - 1, 1)));
  }
  for (let read = limit; read < records / 2; read += limit) {
    page = await pull(`limit=${limit}&since=${page.checkpoint}`);
  }
  const bootstrap: Poll[] = [];
  while (page.hasMore && bootstrap.length < count) {
    bootstrap.push(pollAfter(page));
    page = await pull(`limit=${limit}&since=${page.checkpoint}`);
  }
  return { idle, changes, bootstrap };
}
