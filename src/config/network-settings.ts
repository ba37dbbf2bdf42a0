import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

/** Whose `X-Forwarded-For` is believed: nobody's, that of so many hops, or of these addresses. */
export type TrustProxy = false | number | readonly string[];

/** The ranges that the framework knows by name. */
const namedRanges = new Set(['loopback', 'linklocal', 'uniquelocal']);

export const trustProxySchema = z.string().transform((text, context): TrustProxy => {
  if (/^[1-9][0-9]?$/.test(text)) return Number(text);
  const ranges = listOf(text);
  const wrong = ranges.find((range) => !isRange(range));
  if (ranges.length > 0 && wrong === undefined) return ranges;
  const what = JSON.stringify(wrong ?? text);
  context.addIssue(
    `${what} is neither an address, a range such as 10.0.0.0/8, nor a number of hops`,
  );
  return z.NEVER;
});

/** A range over all addresses is no list of proxies: anybody could then say where he calls from. */
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

export const originsSchema = z.string().transform((text, context): readonly string[] => {
  const origins = listOf(text);
  for (const origin of origins) {
    if (isOrigin(origin)) continue;
    const why =
      origin === '*'
        ? '"*" would let every page that a user visits ask in his name: list the origins'
        : `${JSON.stringify(origin)} is not an origin such as https://app.example`;
    context.addIssue(why);
  }
  return origins;
});

/** As a browser spells it in `Origin`, or an app that wraps one, such as capacitor://localhost. */
function isOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, host, origin } = new URL(text);
  const isWeb = protocol === 'https:' || protocol === 'http:';
  const spelled = isWeb ? origin : `${protocol}//${host}`;
  return text === spelled && host !== '' && !host.includes('*');
}

/** Requests a minute; null: no limit. */
export const rateSchema = z
  .union([z.literal('off'), z.coerce.number().int().min(1)], {
    error: 'must be a number of requests a minute, or off',
  })
  .transform((rate) => (rate === 'off' ? null : rate));

function listOf(text: string): readonly string[] {
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}
