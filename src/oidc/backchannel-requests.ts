import { type Client, errors, type Grant, type Provider } from 'oidc-provider';
import type {
  AnsweringSession,
  AnswerOutcome,
  BackchannelRequest,
  BackchannelRequests,
} from '#src/backchannel/backchannel-request.ts';
import { cameUninvited, type RegisteredBy } from '#src/clients/registered-by.ts';
import type { Clock } from '#src/clock.ts';
import type { Consents } from '#src/interaction/consent.ts';
import { openingAuthorization } from '#src/oidc/authorization-opening.ts';
import type { BackchannelPayload, BackchannelRequestModel } from '#src/oidc/backchannel-request-model.ts';
import { newGrant } from '#src/oidc/grants.ts';
import { type TeachableModel, teachable } from '#src/oidc/library.ts';
import { DecidedAlready, isUndecided } from '#src/oidc/pending-request-adapter.ts';
import { saveApproval } from '#src/oidc/pending-request-model.ts';
import { detailsIn, requestedOf } from '#src/oidc/requested-consent.ts';
import type { Send } from '#src/outbox/dispatcher.ts';
import type { Outbox } from '#src/outbox/outbox.ts';
import type { Random } from '#src/random.ts';
import { everyOwned } from '#src/record-loops.ts';
import type { Records } from '#src/records.ts';
import type { ResourceRegistry } from '#src/resources/resource-registry.ts';
import type { PendingLimit } from '#src/throttle/pending-limit.ts';
import type { Authorizations } from '#src/tokens/authorization.ts';
import { seconds } from '#src/units.ts';

export interface AnsweringDependencies {
  readonly records: Pick<Records, 'listOwned'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly authorizations: Authorizations;
  readonly consents: Consents;
  readonly resources: ResourceRegistry;
  readonly pendingLimit: Pick<PendingLimit, 'release'>;
  readonly outbox: Pick<Outbox, 'post'>;
  whoRegistered(client: Client): RegisteredBy;
}

/** The topic of a delivery that tells a client that its request has been answered: CIBA section 10.2. */
export const PING_TOPIC = 'backchannel-authentication-ping';

interface Ping {
  readonly clientId: string;
  readonly authReqId: string;
}

type PingableClient = Client & {
  backchannelPing(request: BackchannelRequestModel): Promise<void>;
};

/** The backchannel authentication requests of the library, as the pages of an account see them. */
export class LibraryBackchannelRequests implements BackchannelRequests {
  readonly #provider: Provider;
  readonly #model: TeachableModel<BackchannelRequestModel>;
  readonly #deps: AnsweringDependencies;

  constructor(provider: Provider, deps: AnsweringDependencies) {
    this.#provider = provider;
    this.#model = teachable<BackchannelRequestModel>(provider.BackchannelAuthenticationRequest);
    this.#deps = deps;
  }

  async waitingFor(subject: string): Promise<readonly BackchannelRequest[]> {
    const waiting: BackchannelRequest[] = [];
    for await (const payload of this.#payloadsOf(subject)) {
      const client = await this.#provider.Client.find(payload.clientId as string);
      if (client !== undefined) waiting.push(await describe(payload, client, this.#deps.resources));
    }
    return waiting.toSorted((one, other) => one.askedAt - other.askedAt);
  }

  async approve(uid: string, session: AnsweringSession): Promise<AnswerOutcome> {
    const request = await this.#find(uid, session.subject);
    const client = request && (await this.#provider.Client.find(request.clientId as string));
    if (request === null || client === undefined || client === null) return 'gone';
    const details = detailsIn(request.params?.authorization_details);
    const requested = await requestedOf(request.params ?? {}, this.#deps.resources);
    const whose = { accountId: session.subject, clientId: client.clientId };
    const grant = newGrant(this.#provider, whose, requested, this.#deps.random);
    Object.assign(request, {
      grantId: grant.jti,
      acr: session.acr,
      amr: session.amr,
      authTime: session.signedInAt,
      sessionUid: session.sessionUid,
      ...(details.length === 0 ? undefined : { rar: details }),
    });
    return this.#answer(request, client, async () => {
      await this.#saveApproved(request, grant, session);
      await this.#deps.consents.remember(session.subject, client.clientId, requested);
    });
  }

  async deny(uid: string, subject: string): Promise<AnswerOutcome> {
    const request = await this.#find(uid, subject);
    const client = request && (await this.#provider.Client.find(request.clientId as string));
    if (request === null || client === undefined || client === null) return 'gone';
    Object.assign(request, { error: 'access_denied', errorDescription: 'the person declined' });
    return this.#answer(request, client, () => request.save());
  }

  /** What tells a client. One that is gone, or whose request is or has been redeemed, need not be told. */
  readonly sendPing: Send = async ({ clientId, authReqId }: Ping) => {
    const client = (await this.#provider.Client.find(clientId)) as PingableClient | undefined;
    const request = await this.#model.find(authReqId, { ignoreExpiration: true });
    if (client?.backchannelTokenDeliveryMode !== 'ping') return 'unwanted';
    if (request === undefined || request.isExpired || request.consumed) return 'unwanted';
    await client.backchannelPing(request);
    return 'delivered';
  };

  async #answer(
    request: BackchannelRequestModel,
    client: Client,
    save: () => Promise<unknown>,
  ): Promise<AnswerOutcome> {
    try {
      await save();
    } catch (problem) {
      // The session may have ended while its person answered.
      if (problem instanceof DecidedAlready || problem instanceof errors.AccessDenied) return 'gone';
      throw problem;
    }
    await this.#deps.pendingLimit.release(request.uid as string);
    const { backchannelClientNotificationEndpoint: endpoint } = client;
    if (client.backchannelTokenDeliveryMode === 'ping' && endpoint !== undefined) {
      const content: Ping = { clientId: client.clientId, authReqId: request.jti };
      const destination = {
        origin: new URL(endpoint).origin,
        uninvited: cameUninvited(this.#deps.whoRegistered(client)),
      };
      await this.#deps.outbox.post({ topic: PING_TOPIC, recipient: client.clientId, destination, content });
    }
    return 'answered';
  }

  async #saveApproved(
    request: BackchannelRequestModel,
    grant: Grant & { jti: string },
    session: AnsweringSession,
  ): Promise<void> {
    const signedIn = { uid: session.sessionUid, authTime: () => session.signedInAt };
    const authorization = await openingAuthorization({ grant, session: signedIn }, request);
    await saveApproval(this.#deps.authorizations, { grantId: grant.jti, authorization }, () =>
      request.save(),
    );
  }

  async #find(uid: string, subject: string): Promise<BackchannelRequestModel | null> {
    for await (const payload of this.#payloadsOf(subject)) {
      if (payload.uid === uid) return new this.#model(payload);
    }
    return null;
  }

  /** What still waits for this person. It is kept a while longer than it can be answered. */
  async *#payloadsOf(subject: string): AsyncGenerator<BackchannelPayload> {
    const { records, clock } = this.#deps;
    for await (const { value } of everyOwned<BackchannelPayload>(records, 'backchannel-request', subject)) {
      if (isUndecided(value) && (value.exp ?? 0) > clock.now()) yield value;
    }
  }
}

async function describe(
  { uid, params = {}, asked }: BackchannelPayload,
  client: Client,
  resources: ResourceRegistry,
): Promise<BackchannelRequest> {
  if (uid === undefined || asked === undefined) throw new Error('a request has a name and a beginning');
  const { binding_message: bindingMessage, max_age: maxAge } = params;
  return {
    uid,
    clientId: client.clientId,
    clientName: client.clientName ?? client.clientId,
    clientUri: client.clientUri,
    bindingMessage: typeof bindingMessage === 'string' ? bindingMessage : undefined,
    requested: await requestedOf(params, resources),
    details: detailsIn(params.authorization_details),
    askedAt: asked.at,
    address: asked.address,
    maxAge: maxAge === undefined ? null : seconds(Number(maxAge)),
  };
}
