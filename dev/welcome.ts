import type { AuthConfig } from '../src/config/config.ts';
import type { KindRegistry } from '../src/domain/kinds/registry.ts';
import { allScopes, issueToken } from '../src/http/auth/issue-token.ts';

const day = 24 * 60 * 60 * 1000;

/**
 * What a developer needs to make the first push and the first pull, ready to paste. It holds a token only
 * where the service made the secret itself: a secret that somebody set may be that of a real service.
 */
export function welcome(url: string, auth: AuthConfig, kinds: KindRegistry): string {
  const places = `\nLandfall  ${url}\nAPI page  ${url}/docs\n`;
  if (auth.mode === 'jwks') return `${places}Token     from the issuer at JWKS_URL\n\n`;
  if (!auth.isOwnSecret) {
    const command = 'npm run --silent token -- --tenant demo --device terminal';
    return `${places}Token     ${command}\n          (JWT_SECRET is set, so none is printed here)\n\n`;
  }
  const token = issueToken(auth, {
    tenant: 'demo',
    device: 'terminal',
    subject: 'developer',
    scope: allScopes,
    ttlMs: day,
  });
  return `${places}Token     ${token}
          (tenant demo, device terminal, for one day)

${kinds.find('note.put') ? firstPush(url, token) : ''}Pull what is there:

curl -sS '${url}/api/sync/changes' -H 'Authorization: Bearer ${token}'

`;
}

/** Kinds of one's own may have no notes: then the API page says what can be pushed. */
function firstPush(url: string, token: string): string {
  const event = {
    identityKey: 'hello-1',
    kind: 'note.put',
    payload: { noteId: 'hello', title: 'Hello', body: 'Written offline.' },
  };
  const body = JSON.stringify({ events: [event] });
  return `Push an event; push it again, and it answers as processed but happens once:

curl -sS '${url}/api/sync/events?include=results' -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '${body}'

`;
}
