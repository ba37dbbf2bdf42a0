import { refused, type Traffic } from './traffic.ts';

/**
 * Asks the same again and again, one tenant a lane.
 *
 * @param paths of the tenants @param expected stands in every answer
 */
export function createPollTraffic(
  paths: Readonly<Record<string, string>>,
  tokens: Readonly<Record<string, string>>,
  expected: string,
): Traffic {
  const requests = Object.entries(paths).map(([tenant, path]) => ({
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
