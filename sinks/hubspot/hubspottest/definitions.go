package hubspottest

import "time"

// Property is the definition of a property, as the API shows it.
type Property struct {
	Name                    string               `json:"name"`
	Label                   string               `json:"label"`
	Type                    string               `json:"type"`
	FieldType               string               `json:"fieldType"`
	Description             string               `json:"description"`
	GroupName               string               `json:"groupName"`
	Options                 []Option             `json:"options"`
	DisplayOrder            int                  `json:"displayOrder"`
	Calculated              bool                 `json:"calculated"`
	ExternalOptions         bool                 `json:"externalOptions"`
	ReferencedObjectType    string               `json:"referencedObjectType,omitempty"`
	HasUniqueValue          bool                 `json:"hasUniqueValue"`
	Hidden                  bool                 `json:"hidden"`
	HubspotDefined          bool                 `json:"hubspotDefined,omitempty"`
	FormField               bool                 `json:"formField"`
	DataSensitivity         string               `json:"dataSensitivity"`
	SensitiveDataCategories []string             `json:"sensitiveDataCategories,omitempty"`
	ModificationMetadata    ModificationMetadata `json:"modificationMetadata"`
	CreatedAt               *time.Time           `json:"createdAt,omitempty"`
	UpdatedAt               *time.Time           `json:"updatedAt,omitempty"`
	Archived                bool                 `json:"archived"`
	ArchivedAt              *time.Time           `json:"archivedAt,omitempty"`
}

// ModificationMetadata says what of a property may be changed.
type ModificationMetadata struct {
	Archivable         bool  `json:"archivable"`
	ReadOnlyDefinition bool  `json:"readOnlyDefinition"`
	ReadOnlyOptions    *bool `json:"readOnlyOptions,omitempty"`
	ReadOnlyValue      bool  `json:"readOnlyValue"`
}

// Option is one value of an enumeration.
type Option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	Description  string `json:"description,omitempty"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

// Group is a group of properties.
type Group struct {
	Name         string `json:"name"`
	Label        string `json:"label"`
	DisplayOrder int    `json:"displayOrder"`
	Archived     bool   `json:"archived"`
}

// Pipeline is a pipeline of an object and its stages.
type Pipeline struct {
	ID           string    `json:"id"`
	Label        string    `json:"label"`
	DisplayOrder int       `json:"displayOrder"`
	Stages       []Stage   `json:"stages"`
	CreatedAt    time.Time `json:"createdAt"`
	UpdatedAt    time.Time `json:"updatedAt"`
	Archived     bool      `json:"archived"`
}

// Stage is one stage of a pipeline.
type Stage struct {
	ID               string            `json:"id"`
	Label            string            `json:"label"`
	DisplayOrder     int               `json:"displayOrder"`
	Metadata         map[string]string `json:"metadata"`
	WritePermissions string            `json:"writePermissions,omitempty"`
	CreatedAt        time.Time         `json:"createdAt"`
	UpdatedAt        time.Time         `json:"updatedAt"`
	Archived         bool              `json:"archived"`
}

// Owner is a person whom records can be assigned to.
type Owner struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Type      string    `json:"type"`
	FirstName string    `json:"firstName"`
	LastName  string    `json:"lastName"`
	UserID    int64     `json:"userId"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	Archived  bool      `json:"archived"`
}

// Validation is one rule that an administrator has put on a property.
type Validation struct {
	RuleType      string   `json:"ruleType"`
	RuleArguments []string `json:"ruleArguments"`
}
