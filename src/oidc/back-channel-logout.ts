import type { Client as LibraryClient, Provider } from 'oidc-provider';
import { currentRequest } from '#src/oidc/library.ts';
import type { Send } from '#src/outbox/dispatcher.ts';
import type { Sessions, SignOutNotice } from '#src/sessions/sessions.ts';

type NotifiableClient = LibraryClient & {
  backchannelLogout(subject: string, sid: string | undefined): Promise<void>;
  includeSid(): boolean;
};

/**
 * Teaches the library that clients are told of a sign-out through the outbox, and not while the person waits, and that
 * every client knows its session by a `sid`: OpenID Connect Back-Channel Logout sections 2.1 and 2.5. Answers with what
 * sends a notice: a logout token, signed (and encrypted) as the ID tokens of the client are, with a `jti` of its own at
 * each attempt, since a client may refuse one that it has seen.
 */
export function teachBackChannelLogout(
  provider: Provider,
  { sessions }: { sessions: Pick<Sessions, 'dismiss'> },
): Send {
  const { prototype } = provider.Client as unknown as { prototype: NotifiableClient };
  const sendLogoutToken = prototype.backchannelLogout;
  prototype.includeSid = () => true;
  prototype.backchannelLogout = async function dismiss(subject, sid) {
    // The session that ends as a whole has its clients told itself.
    if (currentRequest().oidc.params?.logout !== undefined) return;
    await sessions.dismiss({ clientId: this.clientId, subject, sid: sid ?? null });
  };
  return async ({ clientId, subject, sid }: SignOutNotice) => {
    const client = (await provider.Client.find(clientId)) as NotifiableClient | undefined;
    if (client?.backchannelLogoutUri === undefined) return 'unwanted';
    await sendLogoutToken.call(client, subject, sid ?? undefined);
    return 'delivered';
  };
}
