import { refused, type Traffic } from './traffic.ts';

/** A request that is sent again and again. */
export interface Poll {
  readonly tenant: string;
  readonly path: string;
}

/**
 * Asks the same again and again, each lane for one poll of the list.
 *
 * @param expected stands in every answer
 */
export function createPollTraffic(
  polls: readonly Poll[],
  tokens: Readonly<Record<string, string>>,
  expected: string,
): Traffic {
  const requests = polls.map(({ tenant, path }) => ({
    method: 'GET' as const,
    path,
    headers: { authorization: `Bearer ${tokens[tenant]}` },
  }));
  return {
    next(lane) {
      const request = requests[lane % requests.length];
      if (!request) throw new Error('nothing to ask for');
      return {
        request,
        settle(answer) {
          if (answer.status !== 200 || !answer.body.includes(expected)) throw refused(answer);
          return 1;
        },
      };
    },
  };
}
