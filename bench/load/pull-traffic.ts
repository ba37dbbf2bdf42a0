import type { Answer, Request } from './http.ts';
import { refused, type Traffic } from './traffic.ts';

/** How one system is asked for a page, and where its answer says how to go on. */
export interface PullDialect {
  page(tenant: string, since: string | undefined, limit: number): Request;
  /** @returns where the next page begins; undefined after the last */
  next(answer: Answer): string | undefined;
}

export interface Walk {
  readonly tenants: readonly string[];
  /** A tenant; a multiple of `limit`. */
  readonly records: number;
  readonly limit: number;
  readonly lanes: number;
}

/** Each lane reads a tenant from its first page to its last, then the next tenant. */
export function createPullTraffic(walk: Walk, dialect: PullDialect): Traffic {
  const { tenants, records, limit, lanes } = walk;
  const places = Array.from({ length: lanes }, (_, lane) => ({
    tenant: lane % tenants.length,
    since: undefined as string | undefined,
    read: 0,
  }));
  return {
    next(lane) {
      const place = places[lane];
      if (!place) throw new Error(`no lane ${lane}`);
      return {
        request: dialect.page(tenants[place.tenant] ?? '', place.since, limit),
        settle(answer) {
          place.since = dialect.next(answer);
          place.read += limit;
          if ((place.since === undefined) !== (place.read === records)) throw refused(answer);
          if (place.since === undefined) {
            place.tenant = (place.tenant + lanes) % tenants.length;
            place.read = 0;
          }
          return limit;
        },
      };
    },
  };
}
