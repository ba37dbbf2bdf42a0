import { serveParent } from '../serve-parent.ts';
import { createPouchPush } from './dialects/express-pouchdb.ts';
import { createLandfallPush } from './dialects/landfall.ts';
import { createBarePull, createLandfallPull, createPouchPull } from './dialects/pulls.ts';
import { createRxdbPush } from './dialects/rxdb-server.ts';
import { createFlood, type Flood } from './flood.ts';
import { connect } from './http.ts';
import type { FloodOrder, LoadOrder, LoadPlan } from './plan.ts';
import { createPollTraffic } from './poll-traffic.ts';
import { createPullTraffic } from './pull-traffic.ts';
import { createPushTraffic } from './push-traffic.ts';
import { forSeconds, forTimes, forTimesALane, runClosed, runOpen } from './run.ts';
import type { Sample } from './sample.ts';
import type { Traffic } from './traffic.ts';

serveParent<LoadPlan>(async (plan) => {
  const { traffic } = plan;
  if (traffic.kind === 'flood')
    return { ready: {}, answer: answerOf(await createFlood({ ...plan, ...traffic })) };
  return serveTraffic(plan);
});

function answerOf(flood: Flood) {
  return (order: FloodOrder) =>
    order.do === 'offer' ? flood.offer(order.rate, order.seconds) : flood.burst(order.requests);
}

function serveTraffic(plan: LoadPlan) {
  const traffic = createTraffic(plan);
  const connections = Array.from({ length: plan.lanes }, () => connect(plan.url));

  async function answer(order: Exclude<LoadOrder, FloodOrder>): Promise<Sample> {
    if (order.do === 'again') {
      const repeated = traffic.again?.();
      if (!repeated) throw new Error('this traffic cannot be sent again');
      return runClosed(connections, repeated, forTimes(repeated.size));
    }
    traffic.mark?.();
    if (order.do === 'open') return runOpen({ ...plan, ...order }, traffic);
    const goesOn =
      order.do === 'closed' ? forSeconds(order.seconds) : forTimesALane(order.requestsALane);
    return runClosed(connections, traffic, goesOn);
  }

  return { ready: {}, answer };
}

function createTraffic({ traffic, tokens }: LoadPlan): Traffic {
  if (traffic.kind === 'flood')
    throw new Error('a flood is no exchange of one answer for one request');
  if (traffic.kind === 'poll') return createPollTraffic(traffic.polls, tokens, traffic.expected);
  if (traffic.kind === 'pull') {
    const dialects = {
      landfall: () => createLandfallPull(tokens),
      'bare-page': () => createBarePull(),
      'express-pouchdb': () => createPouchPull(traffic.walk.records),
    };
    return createPullTraffic(traffic.walk, dialects[traffic.from]());
  }
  const dialects = {
    landfall: () => createLandfallPush(tokens),
    'per-event-prisma': () => createLandfallPush(tokens, '/events'),
    'express-pouchdb': () => createPouchPush(),
    'rxdb-server': () => createRxdbPush(),
  };
  return createPushTraffic(traffic.work, dialects[traffic.to]());
}
