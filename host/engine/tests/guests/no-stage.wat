;; Has settings and no rules.
