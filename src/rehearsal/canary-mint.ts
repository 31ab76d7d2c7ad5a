import type { Clock } from '#src/clock.ts';
import { newIdentifier, type Random } from '#src/random.ts';
import type { Records } from '#src/records.ts';
import type { ResourceServer } from '#src/resources/resource-server.ts';
import type { SigningAlgorithm } from '#src/signing/algorithm.ts';
import { type Signer, signJwt } from '#src/signing/jws.ts';
import type { AccessTokenClaims } from '#src/tokens/access-token.ts';
import { CANARY_HEADER, canaryClaims } from '#src/tokens/canary.ts';
import { revokeAccessToken } from '#src/tokens/standing.ts';
import type { Seconds } from '#src/units.ts';

export interface MintPorts {
  readonly issuer: string;
  readonly lifetime: Seconds;
  readonly clock: Clock;
  readonly random: Random;
  readonly records: Pick<Records, 'revoke'>;
  /** What signs with the key in use. */
  readonly signer: (alg: SigningAlgorithm) => Signer;
  /** What signs with a key that is published for a rehearsal. @throws RangeError if there is no such key. */
  readonly rehearsalSigner: (kid: string) => Signer;
}

/** Makes canaries, each for one resource server and a short time. */
export class CanaryMint {
  readonly #ports: MintPorts;
  /** Those of keys that stay. */
  readonly #out: AccessTokenClaims[] = [];

  constructor(ports: MintPorts) {
    this.#ports = ports;
  }

  async ofKeyInUse(resourceServer: ResourceServer): Promise<string> {
    const claims = this.#claims(resourceServer);
    this.#out.push(claims);
    return this.#sign(this.#ports.signer(resourceServer.signingAlgorithm as SigningAlgorithm), claims);
  }

  async ofRehearsedKey(resourceServer: ResourceServer, kid: string): Promise<string> {
    return this.#sign(this.#ports.rehearsalSigner(kid), this.#claims(resourceServer));
  }

  /** One that says all that is right, with a signature by nobody. */
  async forged(resourceServer: ResourceServer): Promise<string> {
    const signer = this.#ports.signer(resourceServer.signingAlgorithm as SigningAlgorithm);
    const token = await this.#sign(signer, this.#claims(resourceServer));
    const [header, claims, signature = ''] = token.split('.');
    const inverted = Buffer.from(signature, 'base64url').map((byte) => ~byte);
    return [header, claims, Buffer.from(inverted).toString('base64url')].join('.');
  }

  /** Ends what was signed by keys that stay. */
  async endAll(): Promise<void> {
    for (const claims of this.#out.splice(0)) await revokeAccessToken(this.#ports.records, claims);
  }

  #claims({ audience }: ResourceServer): AccessTokenClaims {
    const { issuer, lifetime, random, clock } = this.#ports;
    return canaryClaims({ issuer, audience, lifetime, jti: newIdentifier(random) }, clock.now());
  }

  async #sign(signer: Signer, claims: AccessTokenClaims): Promise<string> {
    return signJwt(signer, CANARY_HEADER, { ...claims });
  }
}
