// Runs an errand, which it reads from standard input, with jsforce, and writes what came of it to standard output: the same as the
// programs next to it. internal/sim/salesforce/foreign_test.go sends them, and knows what the answers have to be.
'use strict';
const { readFileSync } = require('node:fs');
const { setTimeout } = require('node:timers/promises');
const jsforce = require('jsforce');

async function run(errand) {
  const oauth2 = { loginUrl: errand.origin, clientId: errand.clientID, clientSecret: errand.clientSecret };
  const app = new jsforce.Connection({ oauth2 });
  await app.authorize({ grant_type: 'client_credentials' });

  // The access token of this one is none, so that its first call makes it refresh.
  const org = new jsforce.Connection({ oauth2, instanceUrl: errand.origin, accessToken: 'an old one', refreshToken: errand.refreshToken });
  const contacts = org.sobject('Contact');
  const report = { client: 'jsforce ' + require('jsforce/package.json').version };
  report.fields = (await contacts.describe()).fields;
  report.users = [(await app.identity()).username, (await org.identity()).username];

  await org.metadata.create('CustomField', errand.field);
  report.made = await org.metadata.read('CustomField', errand.field.fullName);
  const again = await org.metadata.create('CustomField', errand.field);

  report.contacts = (await org.query(errand.everybody).execute({ autoFetch: true, maxFetch: 1e6 })).records;
  report.named = [];
  for (const name of errand.names) {
    // jsforce escapes apostrophes, and nothing else
    report.named.push((await contacts.find({ LastName: name.replaceAll('\\', '\\\\') }, ['Id'])).map((contact) => contact.Id));
  }

  const saved = await contacts.upsert(errand.collection, errand.key, { allowRecursive: true });
  report.collection = saved.map(({ id, created, success, errors }) => ({ id, created, success, code: errors[0]?.statusCode }));
  report.read = [];
  for (const record of errand.singles) {
    await contacts.upsert(record, errand.key);
    report.read.push(await org.request(`/sobjects/Contact/${errand.key}/${record[errand.key]}`));
  }

  report.refused = {
    'a field is made again': again.errors[0]?.statusCode,
    'a hidden field is read': await refusal(org.query(`SELECT ${errand.unseen} FROM Contact`)),
    'a hidden field is written': await refusal(contacts.create({ LastName: 'Nobody', [errand.unseen]: 'x' })),
    'no last name': await refusal(contacts.create({ FirstName: 'Nobody' })),
    'a known address': await refusal(contacts.create(errand.duplicate)),
  };
  const header = { 'Sforce-Duplicate-Rule-Header': 'allowSave=true' };
  report.duplicate = (await contacts.create(errand.duplicate, { headers: header })).id;

  org.bulk2.pollInterval = 300;
  const { successfulResults, failedResults } = await org.bulk2.loadAndWaitForResults({
    object: 'Contact', operation: 'upsert', externalIdFieldName: errand.key, input: errand.rows,
  });
  report.loaded = successfulResults;
  report.failed = failedResults;
  report.rows = await (await org.bulk2.query(errand.keyed)).toArray();

  const { id } = await org.metadata.deployRest(Buffer.from(errand.package, 'base64'), { rollbackOnError: true, singlePackage: true });
  do {
    await setTimeout(200);
    report.deployed = await org.metadata.checkDeployStatus(id, true, true);
  } while (!report.deployed.done);
  return report;
}

// refusal is the code of the error that a call ends with.
async function refusal(call) {
  try {
    await call;
    return '';
  } catch (error) {
    return error.errorCode;
  }
}

run(JSON.parse(readFileSync(0, 'utf8'))).then((report) => process.stdout.write(JSON.stringify(report)));
