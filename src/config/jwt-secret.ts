import { ECDH } from 'node:crypto';

export const minSecretBytes = 32;

const publicFault =
  'must be random bytes, not a public key or certificate: whoever can read those could sign';
const privateFault =
  'must be random bytes, not a private key: whoever signs with one publishes its public half, at JWKS_URL';
const tokenFault = 'must be random bytes, not a token: whoever was given it could sign';
const wrappedFault = 'must be the random bytes themselves, not a JWK that holds them';
const addressFault = 'must be random bytes, not an address: keys are fetched from JWKS_URL';

/** PEM, also that of OpenSSH and PGP, RFC 4716, PuTTY, and XML. */
const privateText =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-|<(P|Q|D|InverseQ)>[A-Za-z0-9+/=\s]+</;
const publicText = /-{4,5} ?BEGIN |<Modulus>|<\w*KeyValue[ >]/;
const openSsh = /(^|[\s"'])(ssh-(rsa|dss|ed25519|ed448)|ecdsa-sha2-\w+|sk-\S+@openssh\.com)\s+AAAA/;
const jwk = /\bkty\\?["']?\s*:\s*\\?["']?(?<type>\w*)/;
/** Members that only a private JWK has. */
const privateJwk = /(^|[\s{,"'\\])(d|p|q|dp|dq|qi)\\?["']\s*:\s*\\?["']/;
const token = /^["'\s]*eyJ[\w-]+\.[\w-]+\.[\w-]*["'\s]*$/;
const address = /^["'\s]*https?:\/\//i;

/** A key may be encoded, and that once more, as Kubernetes does. */
const maxEncodings = 3;

/**
 * Why a text cannot be the secret that signs tokens: it is too short, or it is the key of another
 * algorithm, which others know, in whatever form. What cannot be told from random bytes, such as a bare
 * Ed25519 key, is taken.
 *
 * @returns what follows the variable's name; undefined for a good one
 */
export function findSecretProblem(secret: string): string | undefined {
  if (Buffer.byteLength(secret) < minSecretBytes) return `must be at least ${minSecretBytes} bytes`;
  return findKeyFault(secret, maxEncodings);
}

function findKeyFault(text: string, encodings: number): string | undefined {
  if (privateText.test(text)) return privateFault;
  if (publicText.test(text) || openSsh.test(text)) return publicFault;
  const keyType = jwk.exec(text)?.groups?.type;
  if (keyType === 'oct') return wrappedFault;
  if (keyType !== undefined) return privateJwk.test(text) ? privateFault : publicFault;
  if (token.test(text)) return tokenFault;
  if (address.test(text)) return addressFault;
  const bytes = decode(text);
  if (bytes === undefined) return undefined;
  if (isDer(bytes)) return isPrivateDer(bytes) ? privateFault : publicFault;
  if (bytes.toString('latin1', 0, 14) === 'openssh-key-v1') return privateFault;
  if (isOpenSshKey(bytes) || isCurvePoint(bytes)) return publicFault;
  return encodings > 0 ? findKeyFault(bytes.toString('latin1'), encodings - 1) : undefined;
}

/** Bytes in hexadecimal or base64 of either alphabet, with lines, quotes or colons. */
function decode(text: string): Buffer | undefined {
  const bare = text.replace(/[\s"':]/g, '');
  if (/^([0-9a-f]{2})+$/i.test(bare)) return Buffer.from(bare, 'hex');
  return /^[\w+/-]+={0,2}$/.test(bare) ? Buffer.from(bare, 'base64') : undefined;
}

const sequence = 0x30;
const integer = 0x02;
const octetString = 0x04;

/** SPKI, PKCS #1, #7, #8, #10 and #12, SEC 1, X.509: a sequence to the last byte, of whole parts. */
function isDer(bytes: Buffer): boolean {
  const whole = readPart(bytes, 0);
  if (whole?.tag !== sequence || whole.end !== bytes.length) return false;
  return partsOf(bytes.subarray(whole.start)) !== undefined;
}

/** A version, then what belongs to a private key: PKCS #8 and #1, SEC 1; encrypted PKCS #8. */
function isPrivateDer(bytes: Buffer): boolean {
  const tags = partsOf(bytes.subarray(readPart(bytes, 0)?.start ?? 0)) ?? [];
  const [first, second, third] = tags;
  if (first === integer) return second === octetString || third === octetString || tags.length >= 9;
  return first === sequence && second === octetString && tags.length === 2;
}

/** The tags of what follows one another; undefined where that does not end with the last byte. */
function partsOf(bytes: Buffer): readonly number[] | undefined {
  const tags: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const part = readPart(bytes, at);
    if (!part || part.end > bytes.length) return undefined;
    tags.push(part.tag);
    at = part.end;
  }
  return tags;
}

function readPart(bytes: Buffer, at: number) {
  const tag = bytes[at];
  const first = bytes[at + 1];
  if (tag === undefined || first === undefined) return undefined;
  if (first < 0x80) return { tag, start: at + 2, end: at + 2 + first };
  const size = first - 0x80;
  if (size === 0 || size > 4 || at + 2 + size > bytes.length) return undefined;
  const start = at + 2 + size;
  return { tag, start, end: start + bytes.readUIntBE(at + 2, size) };
}

/** What stands in base64 behind `ssh-rsa`: the length of the algorithm's name, and the name. */
function isOpenSshKey(bytes: Buffer): boolean {
  return /^\0\0\0.(ssh-|ecdsa-|sk-)/s.test(bytes.toString('latin1', 0, 16));
}

const curves: ReadonlyMap<number, readonly string[]> = new Map([
  [65, ['prime256v1', 'secp256k1']],
  [97, ['secp384r1']],
  [133, ['secp521r1']],
]);

/** A public key as bare coordinates, as Web Push has it. */
function isCurvePoint(bytes: Buffer): boolean {
  if (bytes[0] !== 0x04) return false;
  return (curves.get(bytes.length) ?? []).some((curve) => {
    try {
      return ECDH.convertKey(bytes, curve).length > 0;
    } catch {
      return false;
    }
  });
}
