"""What script/deploy does, in which order, and what it says when something fails. Clouds, builds and waits are stand_in.py;
`--plan` also runs by a real terraform, where its providers know schemas. Run by `script/terraform check`."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.abspath(os.path.join(HERE, "../../../.."))
STAND_INS = ["aws", "terraform", "curl", "cargo", "uname", "sleep"]
# What changes something outside of this machine.
CHANGES = r"^(aws s3 sync \S+ \S+ \S+ /|aws (lambda invoke|deploy create|rds-data .*CREATE)|terraform .*\bapply\b|wrangler versions (deploy|secret)|cargo .*edge publish)"
# The steps as those commands show them.
STEPS = [
    ("package", r"^cargo .*-- package"),
    ("upload", r"^aws s3 sync \S+ --region \S+ /"),
    ("plan", r"^terraform .* plan "),
    ("apply", r"^terraform .* apply "),
    ("migrate", r"^aws lambda invoke"),
    ("functions", r"^aws deploy create"),
    ("edge's key", r"^wrangler versions secret"),
    ("edge", r"^wrangler versions deploy"),
    ("routes", r"^cargo .*edge publish"),
    ("smoke test", r"^curl .*/healthz"),
    ("journey", r"^aws cloudwatch"),
]


def git(repository, *arguments):
    of_test = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", repository, *of_test, *arguments], check=True, capture_output=True)


class Deploy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory()
        cls.tools = f"{cls.place.name}/tools"
        os.mkdir(cls.tools)
        of_tests = {"git": shutil.which("git"), "python3": sys.executable}
        for folder in ("/usr/bin", "/bin"):
            for tool in os.listdir(folder):
                if tool not in STAND_INS:
                    of_tests.setdefault(tool, f"{folder}/{tool}")
        for tool, path in of_tests.items():
            os.symlink(path, f"{cls.tools}/{tool}")
        cls.once = f"{cls.place.name}/once"
        cls.make(f"{cls.once}/souk")
        os.mkdir(f"{cls.once}/bin")
        with open(f"{HERE}/stand_in.py") as source, open(f"{cls.once}/stand_in", "w") as target:
            target.write(f"#!{sys.executable} -IS\n" + source.read())
        os.chmod(f"{cls.once}/stand_in", 0o755)
        for name in STAND_INS:
            os.symlink("../stand_in", f"{cls.once}/bin/{name}")
        os.symlink("../../../../stand_in", f"{cls.once}/souk/edge/node_modules/.bin/wrangler")

    @classmethod
    def make(cls, repository):
        for folder in ("script", "infra"):
            shutil.copytree(
                f"{ROOT}/{folder}", f"{repository}/{folder}", symlinks=True,
                ignore=shutil.ignore_patterns(".terraform*", "__pycache__", "*.tfstate*"),
            )
        os.makedirs(f"{repository}/edge/node_modules/.bin")
        os.mkdir(f"{repository}/local")
        shutil.copy(f"{ROOT}/local/tools.txt", f"{repository}/local")
        shutil.copy(f"{ROOT}/.gitignore", repository)
        git(repository, "init", "--quiet")
        git(repository, "add", "--all")
        git(repository, "commit", "--quiet", "--message", "the first version")

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def setUp(self):
        self.here = tempfile.mkdtemp(dir=self.place.name)
        shutil.copytree(self.once, self.here, symlinks=True, dirs_exist_ok=True)
        self.repository = f"{self.here}/souk"
        functions = {name: {"versions": [], "live": 0} for name in ("orders", "migrate")}
        self.world = {
            "signed_in": True, "fails": "", "source": "first", "regions": ["eu-central-1", "eu-west-1"],
            "applied": None, "functions": functions, "deployments": {}, "taken_back": [], "migrated_by": [],
            "migration_fails": False, "directory": False, "database_wakes_in": 0, "journey": "None",
            "edge": {"versions": [], "serves": {}}, "edge_broken": [], "planned_changes": [], "hosts": ["shop.example.com", "*.example.com"],
            "secrets": {"edge-ring": {"keys": {"edge-a1": "k"}, "signs": "edge-a1"}, "db-owner": "p"},
        }

    def first_version(self):
        """It is deployed; all tests share its deployment."""
        kept = f"{self.place.name}/first"
        if not os.path.isdir(kept):
            self.deployed("dev")
            os.mkdir(kept)
            shutil.copytree(f"{self.here}/s3", f"{kept}/s3")
            shutil.copy(f"{self.here}/world.json", kept)
        else:
            shutil.copytree(f"{kept}/s3", f"{self.here}/s3")
            with open(f"{kept}/world.json") as file:
                self.world = json.load(file)
        return self.world["applied"]

    def next_version(self):
        """A commit; its version."""
        git(self.repository, "commit", "--quiet", "--allow-empty", "--message", "another version")
        self.world["source"] += " and more"
        shown = ["git", "log", "-1", "--format=%cd-%h", "--date=format:%Y%m%d", "--abbrev=12"]
        return subprocess.run(shown, cwd=self.repository, capture_output=True, text=True, check=True).stdout.strip()

    def deploy(self, *arguments, without=(), typed=None, **environment):
        """What it said and how it ended; what it asked for is in self.asked. It has no terminal unless something is typed."""
        with open(f"{self.here}/world.json", "w") as file:
            json.dump(self.world, file)
        with open(f"{self.here}/asked", "w"):
            pass
        for tool in without:
            os.remove(f"{self.here}/bin/{tool}")
        variables = {
            "PATH": f"{self.here}/bin:{self.tools}", "HOME": self.here, "SOUK_CACHE": f"{self.here}/cache",
            "STAND_IN_WORLD": self.here, "TMPDIR": self.here, "CLOUDFLARE_API_TOKEN": "t0ken",
            "SOUK_DIRECTORY_DATABASE_URL": "postgres://directory", **environment,
        }
        command = [f"{self.repository}/script/deploy", *arguments]
        if typed is None:
            ended = subprocess.run(command, env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        else:
            ended = self.on_a_terminal(command, variables, typed)
        for tool in without:
            os.symlink("../stand_in", f"{self.here}/bin/{tool}")
        with open(f"{self.here}/asked") as file:
            self.asked = file.read().splitlines()
        with open(f"{self.here}/world.json") as file:
            self.world = json.load(file)
        return ended

    def on_a_terminal(self, command, variables, typed):
        person, terminal = os.openpty()
        os.write(person, f"{typed}\n".encode())
        with subprocess.Popen(command, env=variables, stdin=terminal, stdout=subprocess.DEVNULL, stderr=terminal) as running:
            os.close(terminal)
            said = b""
            # A terminal that nobody holds any more is an error to who reads it.
            with contextlib.suppress(OSError):
                while more := os.read(person, 4096):
                    said += more
        os.close(person)
        return subprocess.CompletedProcess(command, running.returncode, "", said.decode())

    def deployed(self, *arguments, **environment):
        ended = self.deploy(*arguments, **environment)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        return self.world["applied"]

    def steps(self):
        seen = [name for command in self.asked for name, pattern in STEPS if re.search(pattern, command)]
        return [name for i, name in enumerate(seen) if i == 0 or seen[i - 1] != name]

    def changes(self):
        return [command for command in self.asked if re.search(CHANGES, command)]

    def serves(self):
        """Versions of the artefacts that get traffic: of functions, and of the edge."""
        edge = self.world["edge"]
        functions = {f["versions"][f["live"] - 1] for f in self.world["functions"].values() if f["versions"]}
        return functions, {edge["versions"][int(v[1:]) - 1]: share for v, share in edge["serves"].items()}

    def two_versions(self):
        first = self.first_version()
        self.next_version()
        return first, self.deployed("dev")

    def test_steps_come_in_their_order(self):
        first, second = self.two_versions()
        self.assertEqual(self.steps(), [name for name, _ in STEPS])
        self.assertEqual(self.serves(), ({second}, {second: 100}))
        self.assertEqual(self.world["migrated_by"], [1, 2], "the version that was just published migrates")
        self.assertEqual(self.world["edge"]["key"], "edge-a1")
        for region in self.world["regions"]:
            self.assertTrue(os.path.isfile(f"{self.here}/s3/artefacts-{region}/{first}/souk-orders.zip"))
        left = [file for file in os.listdir(self.here) if file.startswith("tmp")]
        self.assertEqual(left, [], "the edge's key was in one of them")

    def test_a_plan_changes_nothing(self):
        for prepare in (lambda: None, self.first_version):
            prepare()
            self.world["planned"] = None
            before = json.dumps(self.world)
            ended = self.deploy("dev", "--plan")
            self.assertEqual(ended.returncode, 0, ended.stderr)
            self.assertEqual((self.steps(), self.changes()), (["plan"], []))
            self.world["planned"] = None
            self.assertEqual(json.dumps(self.world), before)

    def test_drift_is_looked_for_in_what_was_deployed(self):
        first = self.first_version()
        self.next_version()
        self.deploy("dev", "--plan", SOUK_DRIFT="1")
        self.assertEqual(self.world["planned"], first)
        self.deploy("dev", "--plan")
        self.assertNotEqual(self.world["planned"], first)

    def test_what_fails_stops_the_rest_and_says_what_to_do(self):
        back = f"script/deploy dev --to {self.first_version()}"
        self.next_version()
        untouched, at_half, all_of_it = "nothing was changed", "functions are at", "serves everything"
        for command, said in [
            ("^aws s3 sync .* /.*eu-west-1", untouched),
            ("^terraform .*console", untouched),
            ("^terraform .*plan", untouched),
            ("^terraform .*show", untouched),
            ("^terraform .*apply", "traffic goes where it went"),
            ("^aws lambda get-alias", "functions may have moved"),
            ("^wrangler deployments status", at_half),
            ("^cargo .*edge publish", all_of_it),
            ("^aws cloudwatch", all_of_it),
        ]:
            with self.subTest(command):
                kept = json.dumps(self.world)
                self.world["fails"] = command
                ended = self.deploy("dev")
                self.assertEqual(ended.returncode, 1, ended.stderr)
                last = ended.stderr.splitlines()[-1]
                self.assertIn(said, last)
                self.assertEqual(said == untouched, back not in last, last)
                failed = next(i for i, c in enumerate(self.asked) if re.search(command, c))
                self.assertEqual([c for c in self.asked[failed + 1:] if re.search(CHANGES, c)], [], "after what failed")
                self.world = json.loads(kept)

    def test_a_migration_that_fails_leaves_everything_where_it_is(self):
        first = self.first_version()
        self.next_version()
        self.world["migration_fails"] = True
        ended = self.deploy("dev")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("said by the migration", ended.stderr)
        self.assertIn("docs/runbooks/migration-failed.md", ended.stderr)
        self.assertEqual(self.serves(), ({first}, {first: 100}))

    def test_a_function_that_is_taken_back_keeps_the_edge_where_it_is(self):
        first = self.first_version()
        self.next_version()
        self.world["taken_back"] = ["orders"]
        ended = self.deploy("dev")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("orders was taken back", ended.stderr)
        self.assertIn(f"script/deploy dev --to {first}", ended.stderr.splitlines()[-1])
        self.assertEqual(self.serves()[1], {first: 100})

    def test_a_smoke_test_that_fails_says_how_to_go_back(self):
        first = self.first_version()
        broken = self.next_version()
        for trouble in ({"journey": "ALARM", "edge_broken": []}, {"journey": "None", "edge_broken": [broken]}):
            with self.subTest(trouble):
                kept = json.dumps(self.world)
                self.world.update(trouble)
                ended = self.deploy("dev")
                self.assertEqual(ended.returncode, 1)
                self.assertIn(f"go back: script/deploy dev --to {first}", ended.stderr.splitlines()[-1])
                self.world = json.loads(kept)

    def test_production_looks_at_a_tenth_of_the_edge_first(self):
        self.first_version()
        second = self.next_version()
        self.deployed("prod")
        moves = [c for c in self.asked if c.startswith(("wrangler versions deploy", "sleep", "curl"))]
        self.assertRegex(moves[1], r"versions deploy v\d@10% v\d@90%")
        self.assertEqual(moves[2], "sleep 300")
        self.assertIn("Cloudflare-Workers-Version-Overrides: souk-test-edge=", moves[3])
        self.assertEqual(self.serves(), ({second}, {second: 100}))
        self.world["edge_broken"] = [self.next_version()]
        ended = self.deploy("prod")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("the edge was taken back", ended.stderr)
        self.assertIn(f"script/deploy prod --to {second}", ended.stderr.splitlines()[-1])
        self.assertEqual(self.serves()[1], {second: 100}, "nobody is served by what is broken")

    def test_back_is_what_was_packaged_before_and_no_migration(self):
        first, second = self.two_versions()
        migrated = self.world["migrated_by"]
        self.assertEqual(self.deployed("dev", "--to", first), first)
        self.assertEqual(self.serves(), ({first}, {first: 100}))
        self.assertEqual(self.world["migrated_by"], migrated, "the schema stays as it is")
        self.assertEqual(self.steps(), ["plan", "apply", "functions", "edge's key", "edge", "routes", "smoke test", "journey"])
        with open(f"{self.repository}/.souk/deploy/edge/index.js") as file:
            self.assertEqual(file.read(), "first", "not what is built from this tree")
        self.assertIn(second, os.listdir(f"{self.here}/s3/artefacts-eu-central-1"))

    def test_back_goes_without_a_region_that_is_lost(self):
        first, _ = self.two_versions()
        self.world["fails"] = "s3 sync .*artefacts-eu-central-1"
        self.assertEqual(self.deployed("dev", "--to", first), first)

    def test_back_to_what_never_was_changes_nothing(self):
        self.first_version()
        for version, said in [("20200101-0123456789ab", "no region has artefacts"), ("../x", "is no version"), ("", "is no version")]:
            before = self.serves()
            ended = self.deploy("dev", "--to", version)
            self.assertEqual((ended.returncode, self.changes(), self.serves()), (1, [], before))
            self.assertIn(said, ended.stderr)

    def test_a_second_try_does_not_offer_itself_as_the_way_back(self):
        first = self.first_version()
        self.next_version()
        self.world["fails"] = "^aws lambda invoke"
        self.assertIn(f"--to {first}", self.deploy("dev").stderr)
        last = self.deploy("dev").stderr.splitlines()[-1]
        self.assertIn("--to VERSION, one of aws s3 ls s3://artefacts-", last)
        self.world["fails"] = ""
        second = self.deployed("dev")
        self.assertEqual(self.serves(), ({second}, {second: 100}))

    def test_what_holds_data_is_not_deleted_unless_it_is_named(self):
        first = self.first_version()
        second = self.next_version()
        queue, bucket, key = 'module.q["eu-central-1"].aws_sqs_queue.this', "aws_s3_bucket.logs", "aws_kms_key.this"
        self.world["planned_changes"] = [
            {"address": address, "type": address.rsplit(".", 2)[-2], "change": {"actions": actions}}
            for address, actions in [(queue, ["delete"]), (bucket, ["create", "delete"]), (key, ["update"])]
        ]
        for may in ("", queue, f"{bucket}s {queue}"):
            with self.subTest(may):
                ended = self.deploy("dev", SOUK_MAY_DELETE=may)
                self.assertEqual(ended.returncode, 1)
                self.assertNotIn("apply", self.steps())
                self.assertEqual(self.serves(), ({first}, {first: 100}))
                lost = [queue, bucket] if may == "" else [bucket]
                self.assertIn("\n".join(["deletes what holds data:", *lost, "error: data would be lost"]), ended.stderr)
                self.assertIn("nothing was changed", ended.stderr.splitlines()[-1])
        ended = self.deploy("dev", "--plan")
        self.assertEqual(ended.returncode, 0)
        self.assertIn(bucket, ended.stderr)
        self.assertEqual(self.deployed("dev", SOUK_MAY_DELETE=f"{bucket} {queue}"), second)

    def test_on_a_terminal_it_asks_before_it_applies(self):
        first = self.first_version()
        second = self.next_version()
        for typed, applied in [("", first), ("prod", first), ("yes", first), ("dev", second)]:
            with self.subTest(typed):
                self.assertEqual(self.deploy("dev", typed=typed).returncode, 0 if applied == second else 1)
                self.assertEqual(self.world["applied"], applied)

    def test_what_is_missing_is_one_sentence(self):
        with open(f"{self.repository}/infra/changed", "w") as file:
            file.write("x")
        self.one_sentence("git status shows changes", "dev")
        self.one_sentence("git status shows changes", "dev", "--to", "20260101-0123456789ab")
        os.remove(f"{self.repository}/infra/changed")
        self.one_sentence("environments: dev prod staging")
        self.one_sentence("environments: dev prod staging", "root")
        self.one_sentence("script/deploy ENV", "dev", "--to")
        self.one_sentence("CLOUDFLARE_API_TOKEN is not set", "dev", "--plan", CLOUDFLARE_API_TOKEN="")
        self.world["signed_in"] = False
        self.one_sentence("AWS takes no credentials", "dev")
        for tool in ("curl", "cargo", "aws", "terraform"):
            self.one_sentence(f"{tool} is missing", "dev", without=[tool])
        os.remove(f"{self.repository}/edge/node_modules/.bin/wrangler")
        self.one_sentence("wrangler is missing", "dev")

    def one_sentence(self, said, *arguments, **how):
        ended = self.deploy(*arguments, **how)
        self.assertEqual((ended.returncode, ended.stdout, self.changes()), (1, "", []), ended.stderr)
        self.assertEqual(len(ended.stderr.splitlines()), 1, ended.stderr)
        self.assertRegex(ended.stderr, f"^error: .*{re.escape(said)}")

    def test_secrets_that_people_fill_are_asked_for_before_anything_moves(self):
        self.world["secrets"]["stripe-accounts"] = ""
        ended = self.deploy("dev")
        self.assertEqual(ended.returncode, 1)
        self.assertIn("aws secretsmanager put-secret-value --region eu-central-1 --secret-id souk-test/stripe-accounts", ended.stderr)
        self.assertEqual(self.steps()[-1], "apply")
        self.world["secrets"]["stripe-accounts"] = "filled"
        version = self.deployed("dev")
        self.assertEqual(self.serves(), ({version}, {version: 100}))

    def test_a_database_that_pauses_is_waited_for_and_one_that_never_wakes_is_not(self):
        self.first_version()
        self.world.update({"database_wakes_in": 2, "directory": False})
        self.deployed("dev")
        self.assertTrue(self.world["directory"])
        self.world["database_wakes_in"] = 99
        ended = self.deploy("dev")
        self.assertIn("the database does not answer", ended.stderr)
        self.assertNotIn("migrate", self.steps())

    @unittest.skipUnless(os.environ.get("SOUK_TERRAFORM_SCHEMA_ONLY"), "no providers")
    def test_a_plan_by_a_real_terraform(self):
        with open(f"{self.repository}/infra/terraform/envs/dev/backend_override.tf", "w") as file:
            file.write('terraform {\n  backend "local" {}\n}\n')
        ended = self.deploy(
            "dev", "--plan", STAND_IN_TERRAFORM=os.environ["STAND_IN_TERRAFORM"], STAND_IN_TERRAFORM_PATH=os.environ["PATH"], CHECKPOINT_DISABLE="1",
            TF_STUB_DATA=f"{ROOT}/infra/terraform/tests/stub-data.json", AWS_REGION="eu-central-1", TF_CLI_ARGS_plan="-no-color",
        )
        self.assertEqual(ended.returncode, 0, ended.stderr)
        summary = [line for line in ended.stdout.splitlines() if line.startswith("Plan: ")]
        self.assertRegex("".join(summary), r"^Plan: \d{3} to add, 0 to change, 0 to destroy")
        self.assertEqual(self.changes(), [])
        self.assertFalse(os.path.exists(f"{self.repository}/infra/terraform/envs/dev/terraform.tfstate"))
        status = subprocess.run(["git", "status", "--porcelain"], cwd=self.repository, capture_output=True, text=True, check=True)
        self.assertEqual(status.stdout, "", "a plan leaves something in the tree")


if __name__ == "__main__":
    unittest.main()
