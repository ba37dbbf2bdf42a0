import type { Answer } from '../http.ts';
import type { PullDialect } from '../pull-traffic.ts';
import { refused } from '../traffic.ts';

type Tokens = Readonly<Record<string, string>>;

/** What stands after the last `name` in an answer: nothing is parsed that is only counted. */
function lastText({ status, body }: Answer, name: string): string {
  const at = body.lastIndexOf(name);
  if (status !== 200 || at < 0) throw refused({ status, body });
  const from = at + name.length;
  return /^[^",}\]]+/.exec(body.toString('latin1', from, from + 300))?.[0] ?? '';
}

export function createLandfallPull(tokens: Tokens): PullDialect {
  return {
    page: (tenant, since, limit) => ({
      method: 'GET',
      path: `/api/sync/changes?limit=${limit}${since ? `&since=${since}` : ''}`,
      headers: { authorization: `Bearer ${tokens[tenant]}` },
    }),
    next: (answer) =>
      lastText(answer, '"hasMore":') === 'true' ? lastText(answer, '"checkpoint":"') : undefined,
  };
}

/** The same SELECT on bare node:http: `{"rows":[…],"last":"TYPE/ID","hasMore":…}`. */
export function createBarePull(): PullDialect {
  return {
    page: (tenant, since = '/', limit) => ({
      method: 'GET',
      path: `/?tenant=${tenant}&after=${since}&limit=${limit}`,
      headers: {},
    }),
    next: (answer) =>
      lastText(answer, '"hasMore":') === 'true' ? lastText(answer, '"last":"') : undefined,
  };
}

/** @param records of a tenant, each written once: the last sequence number */
export function createPouchPull(records: number): PullDialect {
  return {
    page: (tenant, since = '0', limit) => ({
      method: 'GET',
      path: `/${tenant}/_changes?include_docs=true&limit=${limit}&since=${since}`,
      headers: {},
    }),
    next(answer) {
      const last = lastText(answer, '"last_seq":');
      return Number(last) < records ? last : undefined;
    },
  };
}
