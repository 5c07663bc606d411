package main

// The limits of a function. A reader holds about forty statements and fifteen ways through them in his head; what is
// larger has steps that deserve a name.
const (
	maxStatements = 40
	maxComplexity = 15
)

// The limits of a page.
const (
	// maxColumns is what two files beside each other on one screen leave room for.
	maxColumns = 120
	// tabColumns is how wide a tab counts in maxColumns.
	tabColumns = 4
	// maxCodeLines counts lines that hold code: neither blank ones nor comments.
	maxCodeLines = 400
	// minBlock is the number of lines from which on a function's body must hold a blank line.
	minBlock = 15
)

// The limits of a package, its tests included. LiteFS, Ignition, Talos, microcluster and DigitalOcean's Packer plugin
// have 5.2 to 6.6 tokens a line, and LiteFS 12 % blank lines in its functions.
const (
	maxTokensPerLine = 7.0
	minBlankPercent  = 8.0
	// minRoomLines is the size in lines of function bodies below which a package has no share worth a figure.
	minRoomLines = 15
)
