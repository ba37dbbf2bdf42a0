import { ECDH } from 'node:crypto';

export const minSecretBytes = 32;

const publicKeyProblem =
  'must be random bytes, not a public key or certificate: everybody who can read those could sign';
const privateKeyProblem =
  'must be random bytes, not a private key: its tokens are checked with the public key, at JWKS_URL';
const tokenProblem = 'must be random bytes, not a token: everybody who has the token could sign';
const symmetricJwkProblem = 'must be the random bytes themselves, not a JWK that holds them';
const addressProblem = 'must be random bytes, not an address: keys are fetched from JWKS_URL';

/** Private and public keys as text: PEM (also of OpenSSH and PGP), RFC 4716, PuTTY and XML. */
const privateText =
  /-----BEGIN [A-Z0-9 ]*PRIVATE KEY|PuTTY-User-Key-File-|<(P|Q|D|InverseQ)>[A-Za-z0-9+/=\s]+</;
const publicText = /-{4,5} ?BEGIN |<Modulus>|<\w*KeyValue[ >]/;
const openSsh = /(^|[\s"'])(ssh-(rsa|dss|ed25519|ed448)|ecdsa-sha2-\w+|sk-\S+@openssh\.com)\s+AAAA/;
const jwk = /\bkty\\?["']?\s*:\s*\\?["']?(?<type>\w*)/;
/** One of the members that only a private JWK has. */
const privateJwk = /(^|[\s{,"'\\])(d|p|q|dp|dq|qi)\\?["']\s*:\s*\\?["']/;
const token = /^["'\s]*eyJ[\w-]+\.[\w-]+\.[\w-]*["'\s]*$/;
const address = /^["'\s]*https?:\/\//i;

/** Kubernetes encodes a secret that may hold an encoded key. So several encodings are removed. */
const maxEncodings = 3;

/**
 * Says why a text cannot be the secret that signs tokens. It may be too short, or it may be a key, a
 * certificate, a token or an address, in any encoding: other people know those. A text that looks like
 * random bytes, such as an Ed25519 key without its header, is accepted.
 *
 * @returns the end of a message that begins with the name of the variable; it quotes nothing of the text.
 *   Undefined for a good secret
 */
export function findSecretProblem(secret: string): string | undefined {
  if (Buffer.byteLength(secret) < minSecretBytes) return `must be at least ${minSecretBytes} bytes`;
  return findKeyProblem(secret, maxEncodings);
}

function findKeyProblem(text: string, encodings: number): string | undefined {
  if (privateText.test(text)) return privateKeyProblem;
  if (publicText.test(text) || openSsh.test(text)) return publicKeyProblem;
  const keyType = jwk.exec(text)?.groups?.type;
  if (keyType === 'oct') return symmetricJwkProblem;
  if (keyType !== undefined) return privateJwk.test(text) ? privateKeyProblem : publicKeyProblem;
  if (token.test(text)) return tokenProblem;
  if (address.test(text)) return addressProblem;
  const bytes = decode(text);
  if (bytes === undefined) return undefined;
  if (isDer(bytes)) return isPrivateDer(bytes) ? privateKeyProblem : publicKeyProblem;
  if (bytes.toString('latin1', 0, 14) === 'openssh-key-v1') return privateKeyProblem;
  if (isOpenSshKey(bytes) || isCurvePoint(bytes)) return publicKeyProblem;
  return encodings > 0 ? findKeyProblem(bytes.toString('latin1'), encodings - 1) : undefined;
}

/** Decodes hexadecimal, base64 or base64url. Spaces, line breaks, quotes and colons are ignored. */
function decode(text: string): Buffer | undefined {
  const bare = text.replace(/[\s"':]/g, '');
  if (/^([0-9a-f]{2})+$/i.test(bare)) return Buffer.from(bare, 'hex');
  return /^[\w+/-]+={0,2}$/.test(bare) ? Buffer.from(bare, 'base64') : undefined;
}

/** Tags of DER, the binary form of keys and certificates. */
const sequence = 0x30;
const integer = 0x02;
const octetString = 0x04;

/**
 * Whether the bytes are one DER sequence of complete parts that ends with the last byte. SPKI, X.509,
 * SEC 1 and PKCS #1, #7, #8, #10 and #12 all have this form.
 */
function isDer(bytes: Buffer): boolean {
  const whole = readPart(bytes, 0);
  if (whole?.tag !== sequence || whole.end !== bytes.length) return false;
  return listTags(bytes.subarray(whole.start)) !== undefined;
}

/**
 * Whether a DER sequence has the parts of a private key. PKCS #8, PKCS #1 and SEC 1 begin with a version
 * number. Encrypted PKCS #8 has the parameters of the encryption and the encrypted key.
 */
function isPrivateDer(bytes: Buffer): boolean {
  const tags = listTags(bytes.subarray(readPart(bytes, 0)?.start ?? 0)) ?? [];
  const [first, second, third] = tags;
  if (first === integer) return second === octetString || third === octetString || tags.length >= 9;
  return first === sequence && second === octetString && tags.length === 2;
}

/** The tags of consecutive DER parts. Undefined if the last part does not end with the last byte. */
function listTags(bytes: Buffer): readonly number[] | undefined {
  const tags: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const part = readPart(bytes, at);
    if (!part || part.end > bytes.length) return undefined;
    tags.push(part.tag);
    at = part.end;
  }
  return tags;
}

/** The DER part at an offset. Undefined if its header is not complete. */
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

/** Whether the bytes begin with the length and the name of an SSH algorithm. */
function isOpenSshKey(bytes: Buffer): boolean {
  return /^\0\0\0.(ssh-|ecdsa-|sk-)/s.test(bytes.toString('latin1', 0, 16));
}

/** Curves by the length of an uncompressed point, in bytes. */
const curves: ReadonlyMap<number, readonly string[]> = new Map([
  [65, ['prime256v1', 'secp256k1']],
  [97, ['secp384r1']],
  [133, ['secp521r1']],
]);

/** Whether the bytes are a public key that consists only of coordinates, as in Web Push. */
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
