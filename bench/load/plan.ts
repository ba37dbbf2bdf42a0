import type { Poll } from './poll-traffic.ts';
import type { Walk } from './pull-traffic.ts';
import type { Work } from './work.ts';

/** What a load process is started with: one system, one kind of traffic. */
export interface LoadPlan {
  readonly url: string;
  readonly lanes: number;
  readonly tokens: Readonly<Record<string, string>>;
  readonly traffic:
    | { readonly kind: 'push'; readonly to: PushTarget; readonly work: Work }
    | { readonly kind: 'flood'; readonly work: Work }
    | { readonly kind: 'pull'; readonly from: PullTarget; readonly walk: Walk }
    | { readonly kind: 'poll'; readonly polls: readonly Poll[]; readonly expected: string };
}

export type PushTarget = 'landfall' | 'per-event-prisma' | 'express-pouchdb' | 'rxdb-server';
export type PullTarget = 'landfall' | 'bare-page' | 'express-pouchdb';

/** What a load process can be asked for; each is answered with a Sample. */
export type LoadOrder =
  | { readonly do: 'closed'; readonly seconds: number }
  | { readonly do: 'times'; readonly requestsALane: number }
  | { readonly do: 'open'; readonly seconds: number; readonly rate: number }
  /** The requests of the last order once more. */
  | { readonly do: 'again' }
  | FloodOrder;

/** What is asked of a flood, and of nothing else. */
export type FloodOrder =
  | { readonly do: 'offer'; readonly seconds: number; readonly rate: number }
  | { readonly do: 'burst'; readonly requests: number };
