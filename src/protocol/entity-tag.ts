/** Weak comparison (RFC 9110, 13.1.2): a proxy that compresses the answer weakens its tag. */
export function matchesEntityTag(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(',') ?? [];
  return tags.some((tag) => tag.trim().replace(/^W\//, '') === etag);
}
