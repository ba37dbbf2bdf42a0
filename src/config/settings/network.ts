import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import { splitAtCommas } from './schemas.ts';
import { optionalSetting, setting } from './setting.ts';

/** Ranges that the framework knows by name. */
const namedRanges = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** A number of proxies, or the addresses of the proxies. */
const trustedProxies = z.string().transform((text, context): number | readonly string[] => {
  if (/^[1-9][0-9]?$/.test(text)) return Number(text);
  const ranges = splitAtCommas(text);
  const wrong = ranges.find((range) => !isRange(range));
  if (ranges.length > 0 && wrong === undefined) return ranges;
  const quoted = JSON.stringify(wrong ?? text);
  context.addIssue(
    `${quoted} is neither an address, a range such as 10.0.0.0/8, nor a number of hops`,
  );
  return z.NEVER;
});

/** A range of all addresses is refused: every client could then choose the address it comes from. */
function isRange(text: string): boolean {
  if (namedRanges.has(text)) return true;
  const [address = '', prefix, ...rest] = text.split('/');
  if (prefix === undefined) return isIP(address) > 0;
  if (rest.length > 0 || !/^[1-9][0-9]{0,2}$/.test(prefix)) return false;
  try {
    new BlockList().addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4');
    return true;
  } catch {
    return false;
  }
}

const origins = z.string().transform((text, context): readonly string[] => {
  const list = splitAtCommas(text);
  for (const origin of list) {
    if (isOrigin(origin)) continue;
    const problem =
      origin === '*'
        ? '"*" would let every page that a user visits send requests in the name of the user: list the origins'
        : `${JSON.stringify(origin)} is not an origin such as https://app.example`;
    context.addIssue(problem);
  }
  return list;
});

/**
 * Whether a text is written as a browser writes `Origin`, or as an app does that contains a browser, such
 * as capacitor://localhost.
 */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, host, origin } = new URL(text);
  const isWeb = protocol === 'https:' || protocol === 'http:';
  const normalized = isWeb ? origin : `${protocol}//${host}`;
  return text === normalized && host !== '' && !host.includes('*');
}

/** A number of requests a minute. `off` is null: no limit. */
const rate = z
  .union([z.literal('off'), z.coerce.number().int().min(1)], {
    error: 'must be a number of requests a minute, or off',
  })
  .transform((value) => (value === 'off' ? null : value));

const rateLimitSettings = {
  address: setting({
    variable: 'RATE_LIMIT_ADDRESS',
    schema: rate,
    default: '60000',
    unit: 'requests a minute',
    summary: 'The maximum number of requests a minute from one address, or `off`.',
    details:
      'The service counts a request before it looks at the token. All addresses of an IPv6 /64 count as ' +
      'one. A further request is answered `RATE_LIMITED`.',
  }),
  tenant: setting({
    variable: 'RATE_LIMIT_TENANT',
    schema: rate,
    default: '30000',
    unit: 'requests a minute',
    summary: 'The maximum number of requests a minute from one tenant, or `off`.',
    details:
      'The service counts a request before it reads the body. A further request is answered `RATE_LIMITED`.',
  }),
  subject: setting({
    variable: 'RATE_LIMIT_SUBJECT',
    schema: rate,
    default: '6000',
    unit: 'requests a minute',
    summary: 'The maximum number of requests a minute from one subject of a tenant, or `off`.',
    details:
      'The service counts a request before it reads the body. A further request is answered `RATE_LIMITED`.',
  }),
};

export const networkSettings = {
  trustProxy: optionalSetting({
    variable: 'TRUST_PROXY',
    schema: trustedProxies,
    whenUnset: false,
    example: '10.0.0.0/8',
    summary: 'The proxies whose `X-Forwarded-For` tells the address of the client.',
    details:
      'Addresses and ranges with commas between them (`10.0.0.0/8`; the names `loopback`, `linklocal` and ' +
      '`uniquelocal` are ranges too), or the number of proxies in front of the service. A number is safe ' +
      'only when every request to the port comes through these proxies. Without it the service ignores ' +
      '`X-Forwarded-For`.',
  }),
  corsOrigins: optionalSetting({
    variable: 'CORS_ORIGINS',
    schema: origins,
    whenUnset: [],
    example: 'https://app.example',
    summary: 'The origins whose pages may read the answers, with commas between them.',
    details:
      'Write each one exactly as browsers send it. `*` is refused. Without it the service answers without CORS.',
  }),
  rateLimits: rateLimitSettings,
};
