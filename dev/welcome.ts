import type { AuthConfig } from '../src/config/config.ts';
import type { KindRegistry } from '../src/domain/kinds/registry.ts';
import { allScopes, issueToken } from '../src/http/auth/issue-token.ts';

const dayMs = 24 * 60 * 60 * 1000;

/**
 * The commands for a first push and a first pull, ready to paste. The text has a token only where the service created
 * the secret itself: a secret that was set may belong to a real service.
 */
export function welcome(url: string, auth: AuthConfig, kinds: KindRegistry): string {
  const addresses = `\nLandfall  ${url}\nAPI page  ${url}/docs\n`;
  if (auth.mode === 'jwks') return `${addresses}Token     from the issuer at JWKS_URL\n\n`;
  if (!auth.isGeneratedSecret) {
    const command = 'npm run --silent token -- --tenant demo --device terminal';
    return `${addresses}Token     ${command}\n          (JWT_SECRET is set, so none is printed here)\n\n`;
  }
  const token = issueToken(auth, {
    tenant: 'demo',
    device: 'terminal',
    subject: 'developer',
    scope: allScopes,
    ttlMs: dayMs,
  });
  return `${addresses}Token     ${token}
          (tenant demo, device terminal, for one day)

${kinds.find('note.put') ? firstPush(url, token) : ''}Pull what is there:

curl -sS '${url}/api/sync/changes' -H 'Authorization: Bearer ${token}'

`;
}

/** The operator's own kinds may have no note.put. The API page then shows what can be pushed. */
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
