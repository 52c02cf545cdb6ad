"""Rules of arithmetic and sign that canonical documents obey.

A rule is a small function of a document that yields reasons: it never raises and never changes anything. A rule with a
null input is not applicable: it yields nothing, and nobody may read that as passed.
"""
