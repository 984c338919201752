package tests

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/mod-gowsgi/mod_gowsgi/tests/harness"
)

// authGroupConf protects /private by groups_for_user(); rules are the lines that require something.
func authGroupConf(rules string) string {
	return spyConf + `
		<Location /private>
		AuthType Basic
		AuthName private
		AuthBasicProvider wsgi
		WSGIAuthUserScript "${APPS}/auth/script.py"
		WSGIAuthGroupScript "${APPS}/auth/script.py"
		` + rules + `
		</Location>`
}

// Each rule, and which of ann (staff, admins), bob (staff, two words) and nick (who is ann) may pass.
func TestAuthGroups(t *testing.T) {
	passwords := map[string]string{"ann": "secret", "bob": "buil:der", "both": "script", "caf\xe9": "cr\xe8me"}
	tests := []struct {
		name, rules string
		may         []string
	}{
		{"one", `Require wsgi-group admins`, []string{"ann"}},
		{"any of several", `Require wsgi-group none admins staff`, []string{"ann", "bob"}},
		{"several lines", "Require wsgi-group admins\nRequire wsgi-group staff", []string{"ann", "bob"}},
		{"none", `Require wsgi-group nobody`, nil},
		{"case matters", `Require wsgi-group Admins`, nil},
		{"quoted", `Require wsgi-group "two words"`, []string{"bob"}},
		{"not a part of a name", `Require wsgi-group two`, nil},
		{"an expression", `Require wsgi-group %{tolower:ADMINS}`, []string{"ann"}},
		{"bytes", "Require wsgi-group caf\xe9", []string{"caf\xe9"}},
		{"all", "<RequireAll>\nRequire wsgi-group staff\nRequire user bob\n</RequireAll>", []string{"bob"}},
		{"all groups", "<RequireAll>\nRequire wsgi-group staff\nRequire wsgi-group admins\n</RequireAll>", []string{"ann"}},
		{"any", "<RequireAny>\nRequire wsgi-group admins\nRequire user both\n</RequireAny>", []string{"ann", "both"}},
		{"not", "<RequireAll>\nRequire valid-user\nRequire not wsgi-group admins\n</RequireAll>", []string{"bob", "both", "caf\xe9"}},
		{"none of", "<RequireAll>\nRequire valid-user\n<RequireNone>\nRequire wsgi-group admins\nRequire user both\n</RequireNone>\n</RequireAll>",
			[]string{"bob", "caf\xe9"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := harness.Start(t, harness.Config{Modules: basicModules, Conf: authGroupConf(test.rules)})
			s.Allow(deniedLine)
			for user, password := range passwords {
				want := http.StatusUnauthorized
				for _, may := range test.may {
					if may == user {
						want = http.StatusOK
					}
				}
				assert.Equal(t, want, asUser(t, s, "/private", user, password).Status, user)
			}
			assert.Equal(t, http.StatusUnauthorized, s.Get("/private").Status, "nobody")
		})
	}
}

// The script is asked once for a user, however many rules there are; not at all when httpd does not need to know.
func TestAuthGroupsAreAskedOnce(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: authGroupConf(
		"Require user bob\nRequire wsgi-group a b\nRequire wsgi-group c\nRequire wsgi-group admins")})
	assert.Len(t, decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret")).of("groups_for_user"), 1)
	assert.Len(t, decodeAnswer[spy](t, asUser(t, s, "/private", "ann", "secret")).of("groups_for_user"), 2)
	assert.Len(t, decodeAnswer[spy](t, asUser(t, s, "/private", "bob", "buil:der")).of("groups_for_user"), 2)
}

// The name that check_password() gives is the one whose groups are asked for. 403 is what httpd makes of a denial on request.
func TestAuthGroupsOfNameOfScript(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: authGroupConf(
		"AuthzSendForbiddenOnFailure On\nRequire wsgi-group admins")})
	s.Expect(deniedLine)
	assert.Equal(t, "ann", decodeAnswer[spy](t, asUser(t, s, "/private", "nick", "name")).User)
	assert.Equal(t, http.StatusForbidden, asUser(t, s, "/private", "bob", "buil:der").Status)
}

// Groups need no WSGIAuthUserScript.
func TestAuthGroupsOfOtherProvider(t *testing.T) {
	s := harness.Start(t, harness.Config{Modules: basicModules, Conf: spyConf + `
		<AuthzProviderAlias wsgi-group staff-only "staff">
		</AuthzProviderAlias>
		<Location /private>
		AuthType Basic
		AuthName private
		AuthBasicProvider file
		AuthUserFile "${RUN}/data/passwords"
		WSGIAuthGroupScript "${APPS}/auth/script.py"
		Require staff-only
		</Location>`})
	s.Expect(deniedLine)
	s.WriteFile("data/passwords", "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\ncarl:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
	assert.Equal(t, http.StatusOK, asUser(t, s, "/private", "ann", "secret").Status)
	assert.Equal(t, http.StatusUnauthorized, asUser(t, s, "/private", "carl", "secret").Status)
}

func TestAuthGroupConfig(t *testing.T) {
	for rule, want := range map[string]string{
		`Require wsgi-group`:             `Require wsgi-group: the names of groups are missing`,
		`Require wsgi-group %{nosuch:x}`: `Require wsgi-group %{nosuch:x}: `,
	} {
		out, err := harness.CheckConfig(t, harness.Config{Modules: basicModules, Conf: "<Location /x>\n" + rule + "\n</Location>"})
		assert.Error(t, err, rule)
		assert.Contains(t, out, want)
	}
}
