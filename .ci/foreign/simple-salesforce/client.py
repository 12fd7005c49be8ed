"""Runs an errand, which it reads from standard input, with simple-salesforce, and writes what came of it to standard output: the same
as the programs next to it. internal/sim/salesforce/foreign_test.go sends them, and knows what the answers have to be."""
import csv
import io
import json
import re
import sys
from importlib.metadata import version
from urllib.parse import urlparse

from simple_salesforce import Salesforce, SalesforceError, format_soql
from simple_salesforce.format import format_external_id


def run(errand):
    key = errand["key"]
    domain = urlparse(errand["origin"]).hostname.removesuffix(".salesforce.com")
    org = Salesforce(consumer_key=errand["clientID"], consumer_secret=errand["clientSecret"], domain=domain)
    report = {"client": "simple-salesforce " + version("simple-salesforce")}
    report["fields"] = org.Contact.describe()["fields"]
    report["users"] = [org.oauth2("userinfo")["preferred_username"]]

    custom = org.mdapi.CustomField
    custom.create([custom(**errand["field"])])
    made = custom.read([errand["field"]["fullName"]])
    report["made"] = {name: made[name] for name in errand["field"]}

    report["contacts"] = org.query_all(errand["everybody"])["records"]
    report["named"] = []
    for name in errand["names"]:
        found = org.query_all(format_soql("SELECT Id FROM Contact WHERE LastName = {}", name))
        report["named"].append([contact["Id"] for contact in found["records"]])

    report["collection"] = []
    for start in range(0, len(errand["collection"]), 200):
        records = [{"attributes": {"type": "Contact"}, **record} for record in errand["collection"][start:start + 200]]
        body = json.dumps({"allOrNone": False, "records": records})
        for saved in org.restful(f"composite/sobjects/Contact/{key}", method="PATCH", data=body):
            code = saved["errors"][0]["statusCode"] if saved["errors"] else None
            report["collection"].append({"id": saved.get("id"), "created": saved.get("created"), "success": saved["success"], "code": code})
    report["read"] = []
    for record in errand["singles"]:
        fields = {name: value for name, value in record.items() if name != key}
        org.Contact.upsert(format_external_id(key, record[key]), fields)
        report["read"].append(org.Contact.get_by_custom_id(key, record[key]))

    report["refused"] = {
        "a field is made again": refusal(lambda: custom.create([custom(**errand["field"])])),
        "a hidden field is read": refusal(lambda: org.query(f"SELECT {errand['unseen']} FROM Contact")),
        "a hidden field is written": refusal(lambda: org.Contact.create({"LastName": "Nobody", errand["unseen"]: "x"})),
        "no last name": refusal(lambda: org.Contact.create({"FirstName": "Nobody"})),
        "a known address": refusal(lambda: org.Contact.create(errand["duplicate"])),
    }
    header = {"Sforce-Duplicate-Rule-Header": "allowSave=true"}
    report["duplicate"] = org.Contact.create(errand["duplicate"], headers=header)["id"]

    [load] = org.bulk2.Contact.upsert(records=errand["rows"], external_id_field=key, wait=1)
    results = org.bulk2.Contact.get_all_ingest_records(load["job_id"])
    report["loaded"], report["failed"] = results["successfulRecords"], results["failedRecords"]
    report["rows"] = []
    for page in org.bulk2.Contact.query(errand["keyed"], max_records=400, wait=1):
        report["rows"] += csv.DictReader(io.StringIO(page, newline=""))
    return report


def refusal(call):
    """The code of the error that a call ends with."""
    try:
        call()
    except SalesforceError as error:
        return error.content[0]["errorCode"]
    except Exception as error:  # of the Metadata API: "\nContact.Name__c: (CODE, message), "
        return re.search(r"\((\w+), ", str(error))[1]
    return ""


json.dump(run(json.load(sys.stdin)), sys.stdout)
