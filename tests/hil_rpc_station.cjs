// A charging station on ocpp-rpc, strict: follows limits in amperes, meters, stops when asked, then exits with 0.
// node hil_rpc_station.cjs ENDPOINT IDENTITY ocpp1.6|ocpp2.0.1 [PASSWORD]
const { RPCClient } = require('ocpp-rpc');
const [endpoint, identity, protocol, password] = process.argv.slice(2);
const is16 = protocol === 'ocpp1.6';
const client = new RPCClient({ endpoint, identity, protocols: [protocol], password, strictMode: true });
let limit = 16, wh = 2000, seq = 0, transaction = 'RPC-1', stopped = false;
const now = () => new Date().toISOString();

client.handle('SetChargingProfile', ({ params }) => {
  const profile = is16 ? params.csChargingProfiles : params.chargingProfile;
  const schedule = is16 ? profile.chargingSchedule : profile.chargingSchedule[0];
  if (schedule.chargingRateUnit !== 'A') return { status: 'Rejected' };
  if (profile.chargingProfilePurpose === 'TxProfile') limit = schedule.chargingSchedulePeriod[0].limit;
  return { status: 'Accepted' };
});
client.handle(is16 ? 'RemoteStopTransaction' : 'RequestStopTransaction', () => {
  stopped = true;
  return { status: 'Accepted' };
});

const values = () => {
  const number = is16 ? String : (x) => x;
  const unit = (u) => (is16 ? { unit: u } : { unitOfMeasure: { unit: u } });
  return [{ timestamp: now(), sampledValue: [
    { value: number(Math.round(wh * 10) / 10), measurand: 'Energy.Active.Import.Register', ...unit('Wh') },
    { value: number(limit * 690), measurand: 'Power.Active.Import', ...unit('W') },
  ] }];
};
const event = (eventType, triggerReason, more = {}) => client.call('TransactionEvent', {
  eventType, triggerReason, timestamp: now(), seqNo: seq++, evse: { id: 1 }, meterValue: values(),
  transactionInfo: { transactionId: transaction, chargingState: 'Charging' }, ...more,
});

(async () => {
  await client.connect();
  const boot = is16 ? { chargePointVendor: 'npm', chargePointModel: 'rpc' }
    : { reason: 'PowerUp', chargingStation: { vendorName: 'npm', model: 'rpc' } };
  if ((await client.call('BootNotification', boot)).status !== 'Accepted') process.exit(2);
  if (is16) {
    const start = { connectorId: 1, idTag: 'TAG', meterStart: Math.round(wh), timestamp: now() };
    transaction = (await client.call('StartTransaction', start)).transactionId;
  } else await event('Started', 'CablePluggedIn', { idToken: { idToken: 'TAG', type: 'ISO14443' } });
  while (!stopped) {
    await new Promise((done) => setTimeout(done, 300));
    wh += limit * 690 * 0.3 / 3600;
    if (is16) await client.call('MeterValues', { connectorId: 1, transactionId: transaction, meterValue: values() });
    else await event('Updated', 'MeterValuePeriodic');
  }
  if (is16) await client.call('StopTransaction', { transactionId: transaction, meterStop: Math.round(wh), timestamp: now() });
  else await event('Ended', 'RemoteStop');
  console.log(wh);
  await client.close();
})().catch((fault) => { console.error(fault.message); process.exit(1); });
