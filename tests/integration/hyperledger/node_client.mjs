// The official Node client against a ledger: one line of JSON a row. node node_client.mjs CONFIG.json
//
// The same rows run on the embedded ledger and on real peers. Keys are new in every run, so that a ledger may be old.
// The client verifies nothing that it gets: blocks are recomputed here with node:crypto alone.

import crypto from 'node:crypto';
import fs from 'node:fs';
import {
    changeWrite, client, config, connect, contractOf, deliver, endorsed, expect, fabric, grpc, headerBytes, highSigner,
    networkOf, newest, protos, refused, row, runRows, sha256, signerOf, specified, spoiledProposal, submitBytes,
    submitSpoiled, text, user,
} from './node_support.mjs';

const { common, gateway, peer } = protos;
const { EndorseError, GatewayError, StatusCode } = fabric;
const RUN = crypto.randomBytes(4).toString('hex');
const NOT_ENDORSED = 'failed to endorse transaction, see attached details for more info';
const NOT_COLLECTED = 'failed to collect enough transaction endorsements, see attached details for more info';
const NO_PEERS = 'no combination of peers can be derived which satisfy the endorsement policy: '
    + 'No metadata was found for chaincode';
const DENIED = `error validating proposal: access denied: channel [${config.channel}] creator org`;
const READERS = `Failed evaluating policy on signed data during check policy on channel [${config.channel}] `
    + 'with policy [/Channel/Application/Readers]: [implicit policy evaluation failed - 0 sub-policies were satisfied, '
    + "but this policy requires 1 of the 'Readers' sub-policies to be satisfied]";
const key = (name) => `${RUN}-${name}`;
const kv = contractOf('user');
const network = networkOf('user');
const codes = (...statuses) => statuses.map((one) => one.code).sort((a, b) => a - b).join();
const set = async (name, value = '1') => text(await kv.submitTransaction('set', key(name), value));

async function take(iterable, count) {
    const found = [];
    try {
        for await (const each of iterable) if (found.push(each) === count) break;
    } finally {
        iterable.close();
    }
    return found;
}

// What works.

row('evaluate', async () => {
    const who = text(await kv.evaluateTransaction('whoami'));
    return expect(who === `Org1MSP|${config.users.user.name}`, who);
});
row('submit', async () => {
    expect((await set('submitted')) === '1', 'the result');
    return expect(text(await kv.evaluateTransaction('get', key('submitted'))) === '1', 'the value');
});
row('transient data', async () => {
    const told = text(await kv.evaluate('transient', { transientData: { secret: 'hidden' } }));
    expect(told === 'hidden', told);
    const transaction = await kv.newProposal('transient', { transientData: { secret: 'hidden' } }).endorse();
    // The answer tells it; the proposal that goes into the block does not.
    const prepared = gateway.PreparedTransaction.deserializeBinary(transaction.getBytes());
    const payload = common.Payload.deserializeBinary(prepared.getEnvelope().getPayload_asU8());
    const [action] = peer.Transaction.deserializeBinary(payload.getData_asU8()).getActionsList();
    const content = peer.ChaincodeActionPayload.deserializeBinary(action.getPayload_asU8());
    const asked = peer.ChaincodeProposalPayload.deserializeBinary(content.getChaincodeProposalPayload_asU8());
    return expect(asked.getTransientmapMap().getLength() === 0, 'no transient data in the transaction');
});
row('submit and ask later', async () => {
    const commit = await kv.submitAsync('set', { arguments: [key('later'), '2'] });
    const status = await commit.getStatus();
    expect(status.successful && status.code === StatusCode.VALID && status.blockNumber > 0n, status.code);
    return expect(text(commit.getResult()) === '2', 'the result');
});
row('P-384 key of the second organisation', async () => {
    const contract = contractOf('second');
    return expect(text(await contract.submitTransaction('set', key('p384'), '3')) === '3', 'the result');
});
row('Ed25519 key', async () => {
    if (!config.users.ed25519) return 'not on this network';
    return expect(text(await contractOf('ed25519').submitTransaction('incr', key('ed'))) === '1', 'the result');
});
row('offline signing', async () => {
    const link = connect('user', { signer: undefined });
    const sign = signerOf('user');
    const made = link.getNetwork(config.channel).getContract(config.chaincode)
        .newProposal('set', { arguments: [key('offline'), '1'] });
    const proposal = link.newSignedProposal(made.getBytes(), await sign(made.getDigest()));
    const unsigned = await proposal.endorse();
    const transaction = link.newSignedTransaction(unsigned.getBytes(), await sign(unsigned.getDigest()));
    const pending = await transaction.submit();
    const commit = link.newSignedCommit(pending.getBytes(), await sign(pending.getDigest()));
    return expect((await commit.getStatus()).successful, 'committed');
});
row('no transaction reads its own writes', async () => {
    await set('own', 'before');
    return expect(text(await kv.submitTransaction('own', key('own'), 'after')) === 'before', 'the value before');
});
row('an empty value is a deletion', async () => {
    await set('gone-a');
    await kv.submitTransaction('set', key('gone-a'), '');
    await set('gone-b');
    await kv.submitTransaction('del', key('gone-b'));
    const range = [key('gone-'), key('gone~'), key('total')];
    return expect(text(await kv.evaluateTransaction('count', ...range)) === '0', 'nothing in the range');
});
row('a range of several pages', async () => {
    await kv.submitTransaction('fill', key('page'), '250');
    const found = text(await kv.evaluateTransaction('count', key('page'), key('page~'), key('pages')));
    return expect(found === '250', found);
});

// Events.

row('live chaincode events', async () => {
    const live = await network.getChaincodeEvents(config.chaincode);
    await new Promise((done) => setTimeout(done, 300));
    await set('live');
    const [event] = await take(live, 1);
    const told = `${event.eventName} ${text(event.payload)} of block ${event.blockNumber}`;
    return expect(event.eventName === 'Set' && text(event.payload) === key('live'), told);
});
row('events from a block', async () => {
    const commit = await kv.submitAsync('set', { arguments: [key('from'), '1'] });
    const { blockNumber, transactionId } = await commit.getStatus();
    const [event] = await take(await network.getChaincodeEvents(config.chaincode, { startBlock: blockNumber }), 1);
    return expect(event.transactionId === transactionId && event.blockNumber === blockNumber, event.transactionId);
});
row('events from a position that is none', () => refused(async () => {
    const request = new gateway.ChaincodeEventsRequest().setChannelId(config.channel).setChaincodeId('kv');
    const me = user('user');
    request.setIdentity(new protos.msp.SerializedIdentity().setMspid(me.mspId).setIdBytes(me.credentials)
        .serializeBinary());
    request.setStartPosition(newest());
    const signed = new gateway.SignedChaincodeEventsRequest().setRequest(request.serializeBinary());
    const signature = await signerOf('user')(sha256(Buffer.from(signed.getRequest_asU8())));
    return take(await connect('user').newSignedChaincodeEventsRequest(signed.serializeBinary(), signature)
        .getEvents(), 1);
}, GatewayError, 'INVALID_ARGUMENT', 'invalid start position type', null));
row('events after a transaction', async () => {
    const first = await (await kv.submitAsync('set', { arguments: [key('after'), '1'] })).getStatus();
    const second = await (await kv.submitAsync('set', { arguments: [key('after'), '2'] })).getStatus();
    const checkpoint = {
        getBlockNumber: () => first.blockNumber, getTransactionId: () => first.transactionId,
    };
    const [event] = await take(await network.getChaincodeEvents(config.chaincode, { checkpoint }), 1);
    return expect(event.transactionId === second.transactionId, event.transactionId);
});
row('no event of an invalid transaction', async () => {
    const transaction = await endorsed('user', ['set', key('silent'), '1'], { endorsingOrganizations: ['Org1MSP'] });
    const status = await (await transaction.submit()).getStatus();
    expect(!status.successful, status.code);
    await set('loud');
    const [event] = await take(
        await network.getChaincodeEvents(config.chaincode, { startBlock: status.blockNumber }), 1,
    );
    return expect(text(event.payload) === key('loud'), text(event.payload));
});
row('filtered blocks', async () => {
    const status = await (await kv.submitAsync('set', { arguments: [key('filtered'), '1'] })).getStatus();
    const [block] = await take(await network.getFilteredBlockEvents({ startBlock: status.blockNumber }), 1);
    const found = block.getFilteredTransactionsList().find((one) => one.getTxid() === status.transactionId);
    const event = found.getTransactionActions().getChaincodeActionsList()[0].getChaincodeEvent();
    expect(block.getChannelId() === config.channel && found.getTxValidationCode() === 0, 'the code');
    return expect(event.getEventName() === 'Set' && event.getPayload().length === 0, 'the event without its payload');
});

// Refused at endorsement.

row('chaincode error at Evaluate', () => refused(
    () => kv.evaluateTransaction('get', key('nothing')), GatewayError, 'UNKNOWN',
    'evaluate call to endorser returned error: chaincode response 500, ', 'does not exist',
));
row('chaincode error at Endorse', () => refused(
    () => kv.submitTransaction('get', key('nothing')), EndorseError, 'ABORTED', NOT_ENDORSED,
    `chaincode response 500, ${key('nothing')} does not exist`,
));
row('chaincode answers with status 404', () => refused(
    () => kv.submitTransaction('fail', '404', 'gone'), EndorseError, 'ABORTED', NOT_ENDORSED,
    'chaincode response 404, gone',
));
row('chaincode answers with status 0', () => refused(
    () => kv.submitTransaction('fail', '0', 'none'), EndorseError, 'ABORTED', NOT_ENDORSED, 'chaincode response 0, ',
));
row('chaincode answers with an ERROR', () => refused(
    () => kv.submitTransaction('raise'), EndorseError, 'ABORTED', NOT_ENDORSED,
    'error in simulation: transaction returned with failure: it cannot go on',
));
row('organisations do not agree', () => refused(
    () => kv.submitTransaction('random'), EndorseError, 'ABORTED', NOT_COLLECTED,
    'ProposalResponsePayloads do not match',
));
row('unknown chaincode at Endorse', () => refused(
    () => network.getContract('ghost').submitTransaction('x'), EndorseError, 'FAILED_PRECONDITION',
    `${NO_PEERS} ghost in channel ${config.channel}`, null,
));
row('unknown chaincode at Evaluate', () => refused(
    () => network.getContract('ghost').evaluateTransaction('x'), GatewayError, 'FAILED_PRECONDITION',
    `no peers available to evaluate chaincode ghost in channel ${config.channel}`, null,
));
row('unknown channel', () => refused(
    () => connect('user').getNetwork('ghost').getContract('kv').submitTransaction('x'), EndorseError,
    'FAILED_PRECONDITION', `${NO_PEERS} kv in channel ghost`, null,
));
row('unknown endorsing organisation', () => refused(
    () => endorsed('user', ['set', key('x'), '1'], { endorsingOrganizations: ['GhostMSP'] }), EndorseError,
    'UNAVAILABLE', 'failed to find any endorsing peers for org(s): GhostMSP', null,
));
row('rogue authority of the same name', () => refused(
    () => contractOf('rogue').submitTransaction('set', key('x'), '1'), EndorseError, 'ABORTED', NOT_ENDORSED,
    `${DENIED} unknown, creator is malformed`,
));
row('identity of an unknown organisation', () => refused(
    () => contractOf('stranger').submitTransaction('set', key('x'), '1'), EndorseError, 'ABORTED', NOT_ENDORSED,
    `${DENIED} unknown, creator is malformed`,
));
row('certificate that ended', () => refused(
    () => contractOf('expired').submitTransaction('set', key('x'), '1'), EndorseError, 'ABORTED', NOT_ENDORSED,
    // Line 2.5 looks at the chain first, in which the authority is younger than this certificate.
    config.older ? `${DENIED} unknown, creator is malformed` : 'proposal client identity expired',
));
row('certificate without a role', () => refused(
    () => contractOf('roleless').submitTransaction('set', key('x'), '1'), EndorseError, 'ABORTED', NOT_ENDORSED,
    `${DENIED} [Org1MSP]`,
));
row('certificate of an authority', () => refused(
    () => contractOf('authority').submitTransaction('set', key('x'), '1'), EndorseError, 'ABORTED', NOT_ENDORSED,
    `${DENIED} [Org1MSP]`,
));
row('signature with a high s', () => refused(
    () => contractOf('user', { signer: highSigner('user') }).submitTransaction('set', key('x'), '1'), EndorseError,
    'ABORTED', NOT_ENDORSED, `${DENIED} [Org1MSP]`,
));
row('signature of another key', () => refused(
    () => contractOf('user', { signer: signerOf('rogue') }).submitTransaction('set', key('x'), '1'), EndorseError,
    'ABORTED', NOT_ENDORSED, `${DENIED} [Org1MSP]`,
));
row('wrong transaction id', async () => {
    const proposal = await spoiledProposal('user', (header) => header.setTxId('00'.repeat(32)));
    return refused(() => proposal.endorse(), EndorseError, 'ABORTED', NOT_ENDORSED,
        'error validating proposal: incorrectly computed txid ');
});
row('epoch', async () => {
    const proposal = await spoiledProposal('user', (header) => header.setEpoch(1));
    return refused(() => proposal.endorse(), EndorseError, 'ABORTED', NOT_ENDORSED,
        'error validating proposal: epoch is non-zero');
});
row('type of another transaction', async () => {
    const proposal = await spoiledProposal('user', (header) => header.setType(common.HeaderType.MESSAGE));
    return refused(() => proposal.endorse(), EndorseError, 'ABORTED', NOT_ENDORSED,
        'error validating proposal: invalid header type MESSAGE');
});
row('wrong transaction id at Evaluate', async () => {
    const proposal = await spoiledProposal('user', (header) => header.setTxId('00'.repeat(32)));
    return refused(() => proposal.evaluate(), GatewayError, 'FAILED_PRECONDITION',
        'evaluate call to endorser returned error: error validating proposal: incorrectly computed txid ', 'txid');
});
row('proposal of a committed transaction', async () => {
    const proposal = kv.newProposal('set', { arguments: [key('again'), '1'] });
    await (await (await proposal.endorse()).submit()).getStatus();
    await refused(() => proposal.evaluate(), GatewayError, 'FAILED_PRECONDITION',
        'evaluate call to endorser returned error: duplicate transaction found [', 'duplicate transaction found [');
    return refused(() => proposal.endorse(), EndorseError, 'ABORTED', NOT_ENDORSED, 'duplicate transaction found [');
});

// Refused by the orderer, and what reading refuses.

row('wrong signature at Submit', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1']);
    const prepared = gateway.PreparedTransaction.deserializeBinary(transaction.getBytes());
    return refused(() => submitBytes('user', prepared, signerOf('rogue')), GatewayError, 'ABORTED',
        'received unsuccessful response from orderer: status=FORBIDDEN, info=implicit policy evaluation failed - 0 '
        + "sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied: "
        + 'permission denied', null);
});
row('no signature at Submit', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1']);
    const request = new gateway.SubmitRequest().setChannelId(config.channel);
    request.setPreparedTransaction(
        gateway.PreparedTransaction.deserializeBinary(transaction.getBytes()).getEnvelope(),
    );
    const submit = () => new Promise((done, fail) => {
        client.makeUnaryRequest('/gateway.Gateway/Submit', (one) => Buffer.from(one.serializeBinary()),
            (bytes) => bytes, request, (error) => (error ? fail(Object.assign(error, { details: [] })) : done()));
    });
    return refused(submit, Error, 'INVALID_ARGUMENT', 'prepared transaction must be signed', null);
});
row('foreign identity at CommitStatus', async () => {
    const transaction = await endorsed('user', ['set', key('foreign'), '1']);
    await transaction.submit();
    const bytes = new gateway.CommitStatusRequest().setChannelId(config.channel)
        .setTransactionId(transaction.getTransactionId());
    const rogue = user('rogue');
    bytes.setIdentity(new protos.msp.SerializedIdentity().setMspid(rogue.mspId).setIdBytes(rogue.credentials)
        .serializeBinary());
    const request = new gateway.SignedCommitStatusRequest().setRequest(bytes.serializeBinary());
    const link = connect('rogue');
    const signature = await signerOf('rogue')(sha256(Buffer.from(request.getRequest_asU8())));
    return refused(() => link.newSignedCommit(request.serializeBinary(), signature).getStatus(), GatewayError,
        'PERMISSION_DENIED', READERS, null);
});
row('foreign identity at ChaincodeEvents', () => refused(
    async () => take(await networkOf('rogue').getChaincodeEvents(config.chaincode, { startBlock: 0n }), 1),
    GatewayError, 'PERMISSION_DENIED', READERS, null,
));
row('CommitStatus waits', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1']);
    const unsent = gateway.PreparedTransaction.deserializeBinary(transaction.getBytes());
    const request = new gateway.CommitStatusRequest().setChannelId(config.channel)
        .setTransactionId(unsent.getTransactionId());
    const me = user('user');
    request.setIdentity(new protos.msp.SerializedIdentity().setMspid(me.mspId).setIdBytes(me.credentials)
        .serializeBinary());
    const signed = new gateway.SignedCommitStatusRequest().setRequest(request.serializeBinary());
    const signature = await signerOf('user')(sha256(Buffer.from(signed.getRequest_asU8())));
    const commit = connect('user').newSignedCommit(signed.serializeBinary(), signature);
    return refused(() => commit.getStatus({ deadline: Date.now() + 1000 }), GatewayError, 'DEADLINE_EXCEEDED');
});

// Invalid when committed.

row('changed write set', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1']);
    const status = await submitSpoiled('user', transaction, changeWrite);
    return expect(status.code === StatusCode.ENDORSEMENT_POLICY_FAILURE, status.code);
});
row('stripped endorsements', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1']);
    const status = await submitSpoiled('user', transaction,
        (content) => content.getAction().setEndorsementsList(content.getAction().getEndorsementsList().slice(0, 1)));
    return expect(status.code === StatusCode.ENDORSEMENT_POLICY_FAILURE, status.code);
});
row('one endorsement twice', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1']);
    const status = await submitSpoiled('user', transaction, (content) => {
        const [first] = content.getAction().getEndorsementsList();
        content.getAction().setEndorsementsList([first, first]);
    });
    return expect(status.code === StatusCode.ENDORSEMENT_POLICY_FAILURE, status.code);
});
row('changed proposal', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1']);
    const status = await submitSpoiled('user', transaction,
        (content) => content.setChaincodeProposalPayload(Buffer.from([10, 0])));
    return expect(status.code === StatusCode.INVALID_ENDORSER_TRANSACTION, status.code);
});
row('endorsed by one of two organisations', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1'], { endorsingOrganizations: ['Org2MSP'] });
    const status = await (await transaction.submit()).getStatus();
    return expect(status.code === StatusCode.ENDORSEMENT_POLICY_FAILURE, status.code);
});
row('the same envelope twice', async () => {
    const transaction = await endorsed('user', ['incr', key('twice')]);
    const first = await (await transaction.submit()).getStatus();
    expect(first.code === StatusCode.VALID, first.code);
    await transaction.submit();
    await set('behind');
    const second = await (await transaction.submit()).getStatus();
    expect(second.code === StatusCode.VALID && second.blockNumber === first.blockNumber, 'the first block counts');
    expect(text(await kv.evaluateTransaction('get', key('twice'))) === '1', 'counted once');
    const { blocks } = await deliver('user', specified(Number(first.blockNumber)), newest(), { method: 'DeliverFiltered' });
    const all = blocks.flatMap((block) => block.getFilteredTransactionsList())
        .filter((one) => one.getTxid() === transaction.getTransactionId()).map((one) => one.getTxValidationCode());
    return expect(all[0] === 0 && all.length >= 2 && all.slice(1).every((code) => code === 9), `codes ${all}`);
});
row('MVCC_READ_CONFLICT', async () => {
    await set('counter');
    const [one, two] = await Promise.all([1, 2].map(() => endorsed('user', ['incr', key('counter')])));
    const [first, second] = await Promise.all([one.submit(), two.submit()]);
    const statuses = [await first.getStatus(), await second.getStatus()];
    return expect(codes(...statuses) === '0,11', `codes ${codes(...statuses)}`);
});
row('PHANTOM_READ_CONFLICT', async () => {
    await set('ghosts-a');
    const transaction = await endorsed('user', ['count', key('ghosts-'), key('ghosts~'), key('total')]);
    await set('ghosts-b');
    const status = await (await transaction.submit()).getStatus();
    return expect(status.code === StatusCode.PHANTOM_READ_CONFLICT, status.code);
});

// Blocks.

const orderers = () => config.orderers.map((file) => new crypto.X509Certificate(fs.readFileSync(file)).publicKey);
const slot = (block, place) => block.getMetadata().getMetadataList_asU8()[place];

async function allBlocks() {
    const { blocks, status } = await deliver('user', specified(0), newest());
    expect(status === 200 && blocks.length > 5, `${blocks.length} blocks, status ${status}`);
    return blocks;
}

row('hash chain recomputed', async () => {
    const blocks = await allBlocks();
    blocks.slice(1).forEach((block, place) => {
        const previous = Buffer.from(block.getHeader().getPreviousHash_asU8());
        expect(previous.equals(sha256(headerBytes(blocks[place]))), `block ${place + 1}`);
    });
    return `${blocks.length} blocks`;
});
row('data hashes recomputed', async () => {
    for (const block of await allBlocks()) {
        const data = block.getData().getDataList_asU8().map((one) => Buffer.from(one));
        expect(sha256(...data).equals(Buffer.from(block.getHeader().getDataHash_asU8())), block.getHeader().getNumber());
    }
});
row('signatures of the orderer', async () => {
    const [, ...blocks] = await allBlocks();
    for (const block of blocks) {
        const metadata = common.Metadata.deserializeBinary(slot(block, 0));
        const [one] = metadata.getSignaturesList();
        const parts = [metadata.getValue_asU8(), one.getSignatureHeader_asU8(), headerBytes(block)];
        const message = Buffer.concat(parts.map((part) => Buffer.from(part)));
        const signed = orderers().some((each) => crypto.verify('sha256', message, each, one.getSignature_asU8()));
        expect(signed, `block ${block.getHeader().getNumber()}`);
    }
    return `${blocks.length} signatures`;
});
row('one flag a transaction', async () => {
    for (const block of await allBlocks()) {
        expect(slot(block, 2).length === block.getData().getDataList().length, block.getHeader().getNumber());
    }
});
row('a block that is not there', async () => {
    const { status } = await deliver('user', specified(1_000_000), specified(1_000_000));
    return expect(status === 404, status);
});
row('a block that is waited for', async () => {
    const { blocks: [last] } = await deliver('user', newest(), newest());
    const next = last.getHeader().getNumber() + 1;
    const waiting = deliver('user', specified(next), specified(next), { waits: true });
    await set('next');
    const { blocks: [found], status } = await waiting;
    return expect(found.getHeader().getNumber() === next && status === 200, status);
});
row('a range that ends before it begins', async () => {
    const { status } = await deliver('user', specified(3), specified(1));
    return expect(status === 400, status);
});
row('a question for blocks without its time', async () => {
    const { status } = await deliver('user', specified(0), newest(), { time: null });
    return expect(status === 400, status);
});
row('a question for blocks of an hour ago', async () => {
    const { status } = await deliver('user', specified(0), newest(), { time: new Date(Date.now() - 3_600_000) });
    return expect(status === 400, status);
});
row('a question for blocks of another connection', async () => {
    const { status } = await deliver('user', specified(0), newest(), { hash: Buffer.alloc(32, 1) });
    return expect(status === (config.tls.certificate ? 400 : 200), status);
});
row('blocks of an unknown channel', async () => {
    const { status } = await deliver('user', specified(0), newest(), { channel: 'ghost' });
    return expect(status === 404, status);
});
row('blocks to a stranger', async () => {
    const { status, blocks } = await deliver('rogue', specified(0), newest());
    return expect(status === 403 && !blocks.length, status);
});
row('qscc GetChainInfo', async () => {
    const system = network.getContract('qscc');
    const info = common.BlockchainInfo.deserializeBinary(
        await system.evaluateTransaction('GetChainInfo', config.channel),
    );
    const last = info.getHeight() - 1;
    const { blocks: [block] } = await deliver('user', specified(last), specified(last));
    return expect(Buffer.from(info.getCurrentblockhash_asU8()).equals(sha256(headerBytes(block))), info.getHeight());
});
row('qscc GetBlockByNumber', async () => {
    const system = network.getContract('qscc');
    const block = common.Block.deserializeBinary(
        await system.evaluateTransaction('GetBlockByNumber', config.channel, '1'),
    );
    const { blocks: [told] } = await deliver('user', specified(1), specified(1));
    return expect(sha256(headerBytes(block)).equals(sha256(headerBytes(told))), block.getHeader().getNumber());
});
row('qscc GetBlockByTxID', async () => {
    const status = await (await kv.submitAsync('set', { arguments: [key('system'), '1'] })).getStatus();
    const block = common.Block.deserializeBinary(
        await network.getContract('qscc').evaluateTransaction('GetBlockByTxID', config.channel, status.transactionId),
    );
    return expect(BigInt(block.getHeader().getNumber()) === status.blockNumber, status.blockNumber);
});
row('qscc GetTransactionByID', async () => {
    const transaction = await endorsed('user', ['set', key('x'), '1'], { endorsingOrganizations: ['Org1MSP'] });
    await (await transaction.submit()).getStatus();
    const found = peer.ProcessedTransaction.deserializeBinary(await network.getContract('qscc')
        .evaluateTransaction('GetTransactionByID', config.channel, transaction.getTransactionId()));
    const prepared = gateway.PreparedTransaction.deserializeBinary(transaction.getBytes());
    expect(Buffer.from(found.getTransactionenvelope().getPayload_asU8())
        .equals(Buffer.from(prepared.getEnvelope().getPayload_asU8())), 'the envelope');
    return expect(found.getValidationcode() === 10, found.getValidationcode());
});
row('qscc of an unknown transaction', () => refused(
    () => network.getContract('qscc').evaluateTransaction('GetTransactionByID', config.channel, '00'), GatewayError,
    'UNKNOWN', 'evaluate call to endorser returned error: chaincode response 500, ',
    'Failed to get transaction with id 00, error no such transaction ID [00] in index',
));

await runRows();
